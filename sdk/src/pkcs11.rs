//! PKCS#11 in its own words, and which of them stands for each of ours.

pub use crate::bindings::keyport::provider::pkcs11::{
    CkEddsaParams, CkRsaPkcsMgfType, CkRsaPkcsPssParams, EcCurve, KeyPairMechanism, Mechanism,
    MlDsaParameterSet,
};
use crate::types::{Hash, KeyType, Result, Scheme};

/// A key pair on a token: the CKO_PRIVATE_KEY and the CKO_PUBLIC_KEY with one CKA_ID.
///
/// It is good for the call in which it was found or generated. A provider may hold 16 at a time, and should keep none
/// when it answers: the gateway does not use such an instance again.
pub trait KeyPair {
    /// The CKO_PUBLIC_KEY as the token has it: SubjectPublicKeyInfo, DER. Of a key pair that was generated a moment
    /// ago it costs no call of the token.
    ///
    /// # Errors
    ///
    /// What the token says: [`NotFound`](crate::ErrorKind::NotFound) where there is no such key pair.
    fn public_key(&self) -> Result<Vec<u8>>;

    /// Signs what the open operation holds (C_Sign). ECDSA signatures are r and s, each as long as the curve's order.
    ///
    /// # Errors
    ///
    /// What the token says: [`NotFound`](crate::ErrorKind::NotFound) where there is no such key pair; and
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for parameters that the gateway does not use.
    fn sign(&self, mechanism: &Mechanism) -> Result<Vec<u8>>;

    /// Destroys both halves (C_DestroyObject). Succeeds when there are none.
    ///
    /// # Errors
    ///
    /// What the token says.
    fn destroy(&self) -> Result<()>;
}

impl From<KeyType> for KeyPairMechanism {
    /// How key pairs of this type are generated.
    fn from(key_type: KeyType) -> Self {
        match key_type {
            KeyType::EcP256 => Self::CkmEcKeyPairGen(EcCurve::Secp256r1),
            KeyType::EcP384 => Self::CkmEcKeyPairGen(EcCurve::Secp384r1),
            KeyType::EcP521 => Self::CkmEcKeyPairGen(EcCurve::Secp521r1),
            KeyType::EcSecp256k1 => Self::CkmEcKeyPairGen(EcCurve::Secp256k1),
            KeyType::Ed25519 => Self::CkmEcEdwardsKeyPairGen,
            KeyType::Rsa2048 => Self::CkmRsaPkcsKeyPairGen(2048),
            KeyType::Rsa3072 => Self::CkmRsaPkcsKeyPairGen(3072),
            KeyType::Rsa4096 => Self::CkmRsaPkcsKeyPairGen(4096),
            KeyType::MlDsa44 => Self::CkmMlDsaKeyPairGen(MlDsaParameterSet::CkpMlDsa44),
            KeyType::MlDsa65 => Self::CkmMlDsaKeyPairGen(MlDsaParameterSet::CkpMlDsa65),
            KeyType::MlDsa87 => Self::CkmMlDsaKeyPairGen(MlDsaParameterSet::CkpMlDsa87),
        }
    }
}

impl From<Scheme> for Mechanism {
    /// How signatures of this scheme are made.
    fn from(scheme: Scheme) -> Self {
        match scheme {
            // Which digest it is matters to nobody but the gateway, which holds it.
            Scheme::Ecdsa(_) => Self::CkmEcdsa,
            Scheme::Ed25519 => Self::CkmEddsa(None),
            Scheme::Ed25519ph => {
                Self::CkmEddsa(Some(CkEddsaParams { ph_flag: true, context_data: Vec::new() }))
            }
            Scheme::RsaPkcs1v15(_) => Self::CkmRsaPkcs,
            Scheme::RsaPss(hash) => Self::CkmRsaPkcsPss(hash.into()),
            Scheme::MlDsa => Self::CkmMlDsa,
        }
    }
}

impl From<Hash> for CkRsaPkcsPssParams {
    /// MGF1 with the same hash, and a salt as long as the digest.
    fn from(hash: Hash) -> Self {
        let (mgf, s_len) = match hash {
            Hash::Sha256 => (CkRsaPkcsMgfType::CkgMgf1Sha256, 32),
            Hash::Sha384 => (CkRsaPkcsMgfType::CkgMgf1Sha384, 48),
            Hash::Sha512 => (CkRsaPkcsMgfType::CkgMgf1Sha512, 64),
        };

        Self { hash_alg: hash, mgf, s_len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_is_as_long_as_the_digest() {
        for hash in Hash::ALL {
            let parameters = CkRsaPkcsPssParams::from(hash);

            assert_eq!(usize::try_from(parameters.s_len), Ok(hash.digest_len()));
            assert_eq!(parameters.hash_alg, hash);
        }
    }

    #[test]
    fn pkcs1v15_is_one_mechanism_whatever_the_hash() {
        for hash in Hash::ALL {
            assert_eq!(Mechanism::from(Scheme::RsaPkcs1v15(hash)), Mechanism::CkmRsaPkcs);
        }
    }

    #[test]
    fn only_ed25519ph_has_eddsa_parameters() {
        assert_eq!(Mechanism::from(Scheme::Ed25519), Mechanism::CkmEddsa(None));
        assert!(matches!(
            Mechanism::from(Scheme::Ed25519ph),
            Mechanism::CkmEddsa(Some(CkEddsaParams { ph_flag: true, .. }))
        ));
    }
}
