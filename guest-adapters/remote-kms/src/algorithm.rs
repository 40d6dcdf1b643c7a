//! The signature algorithms that `remote_kms` has names for: those of JOSE.

use keyport_sdk::{Descriptor, Error, Hash, KeyType, Result, Scheme};
use serde::Serialize;

/// A signature algorithm (RFC 7518, section 3.1; RFC 8037; RFC 8812). Unlike a scheme, an ECDSA algorithm belongs to one
/// curve and one hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Algorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    Es256,
    Es256k,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    /// The algorithm that a key of this type is asked for by. A name says nothing of an RSA key's size: the smallest is
    /// what it stands for.
    pub(crate) fn making(key_type: KeyType) -> Result<Self> {
        match key_type {
            KeyType::EcP256 => Ok(Self::Es256),
            KeyType::EcP384 => Ok(Self::Es384),
            KeyType::EcP521 => Ok(Self::Es512),
            KeyType::EcSecp256k1 => Ok(Self::Es256k),
            KeyType::Ed25519 => Ok(Self::EdDsa),
            KeyType::Rsa2048 => Ok(Self::Rs256),
            KeyType::Rsa3072 | KeyType::Rsa4096 | KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => {
                Err(Error::unsupported(format!("remote_kms has no word for {key_type}")))
            }
        }
    }

    /// The algorithm of a scheme; of ECDSA, that of the NIST curve whose hash it is.
    pub(crate) fn of(scheme: Scheme) -> Result<Self> {
        match scheme {
            Scheme::Ed25519 => Ok(Self::EdDsa),
            Scheme::Ecdsa(Hash::Sha256) => Ok(Self::Es256),
            Scheme::Ecdsa(Hash::Sha384) => Ok(Self::Es384),
            Scheme::Ecdsa(Hash::Sha512) => Ok(Self::Es512),
            Scheme::RsaPkcs1v15(Hash::Sha256) => Ok(Self::Rs256),
            Scheme::RsaPkcs1v15(Hash::Sha384) => Ok(Self::Rs384),
            Scheme::RsaPkcs1v15(Hash::Sha512) => Ok(Self::Rs512),
            Scheme::RsaPss(Hash::Sha256) => Ok(Self::Ps256),
            Scheme::RsaPss(Hash::Sha384) => Ok(Self::Ps384),
            Scheme::RsaPss(Hash::Sha512) => Ok(Self::Ps512),
            Scheme::Ed25519ph | Scheme::MlDsa => {
                Err(Error::unsupported(format!("remote_kms has no word for {scheme}")))
            }
        }
    }

    /// Bytes of r and of s, where signatures are such a pair (RFC 7518, section 3.4).
    pub(crate) fn order(self) -> Option<usize> {
        match self {
            Self::Es256 | Self::Es256k => Some(32),
            Self::Es384 => Some(48),
            Self::Es512 => Some(66),
            Self::EdDsa
            | Self::Ps256
            | Self::Ps384
            | Self::Ps512
            | Self::Rs256
            | Self::Rs384
            | Self::Rs512 => None,
        }
    }
}

/// Every key type that can be asked for, with the schemes that can be named.
pub(crate) fn offered(descriptor: Descriptor) -> Descriptor {
    let rsa = [Hash::ALL.map(Scheme::RsaPkcs1v15), Hash::ALL.map(Scheme::RsaPss)].concat();

    descriptor
        .offer(KeyType::EcP256, [Scheme::Ecdsa(Hash::Sha256)])
        .offer(KeyType::EcP384, [Scheme::Ecdsa(Hash::Sha384)])
        .offer(KeyType::EcP521, [Scheme::Ecdsa(Hash::Sha512)])
        .offer(KeyType::EcSecp256k1, [Scheme::Ecdsa(Hash::Sha256)])
        .offer(KeyType::Ed25519, [Scheme::Ed25519])
        .offer(KeyType::Rsa2048, rsa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_offered_can_be_asked_for() {
        for offer in offered(Descriptor::new("test", "0.0.0")).offers {
            Algorithm::making(offer.key_type).unwrap();
            assert!(offer.schemes.iter().all(|scheme| Algorithm::of(*scheme).is_ok()), "{}", offer.key_type);
        }
    }

    #[test]
    fn names_are_spelled_as_the_standards_do() {
        let name = |algorithm| serde_json::to_value(algorithm).unwrap().as_str().unwrap().to_owned();

        assert_eq!(
            [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es256k, Algorithm::Es512, Algorithm::Ps384]
                .map(name),
            ["EdDSA", "ES256", "ES256K", "ES512", "PS384"]
        );
        assert_eq!(name(Algorithm::Rs512), "RS512");
    }
}
