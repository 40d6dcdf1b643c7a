//! Key pairs that are in memory: made, read from their sealed form, and signed with.
//!
//! Private halves live in memory of aws-lc, which wipes everything it frees (`OPENSSL_free` cleanses); what leaves it
//! to be sealed is in buffers that are wiped when dropped. So the last reference to a [`Material`] takes the key with it.

use std::fmt;

use aws_lc_rs::digest::{Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING,
    ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use keyport_core::custody::Mechanism;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Hash, KeyType};
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};

/// A key pair of a type that this token offers.
pub(super) struct Material {
    key_type: KeyType,
    pair: Pair,
}

pub(super) enum Pair {
    Ecdsa(EcdsaKeyPair, Curve),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Material {
    /// A key pair, and the key type that it is one of.
    pub(super) fn new(key_type: KeyType, pair: Pair) -> Self {
        Self { key_type, pair }
    }

    /// Makes a key pair.
    pub(super) fn generate(key_type: KeyType) -> Result<Self, Failure> {
        let pair = match Kind::of(key_type)? {
            Kind::Ecdsa(curve) => {
                EcdsaKeyPair::generate(curve.algorithm()).map(|pair| Pair::Ecdsa(pair, curve))
            }
            Kind::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Kind::MlDsa(set) => PqdsaKeyPair::generate(set).map(Pair::MlDsa),
            Kind::Rsa(size) => RsaKeyPair::generate(size).map(Pair::Rsa),
        };

        Ok(Self { key_type, pair: pair.map_err(|unspecified| internal("generate a key pair", unspecified))? })
    }

    /// Reads what [`Material::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        let unknown =
            || Failure::new(FailureKind::Unsupported, "material of a kind that this version does not know");
        let (code, pkcs8) = bytes.split_first().ok_or_else(unknown)?;
        let key_type = CODES.iter().find(|(_, known)| known == code).ok_or_else(unknown)?.0;

        let pair = match Kind::of(key_type)? {
            Kind::Ecdsa(curve) => {
                EcdsaKeyPair::from_pkcs8(curve.algorithm(), pkcs8).map(|pair| Pair::Ecdsa(pair, curve))
            }
            Kind::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).map(Pair::Ed25519),
            Kind::MlDsa(set) => PqdsaKeyPair::from_pkcs8(set, pkcs8).map(Pair::MlDsa),
            Kind::Rsa(_) => RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa),
        };
        let material =
            Self { key_type, pair: pair.map_err(|rejected| internal("read a key pair", rejected))? };

        // A PKCS#8 RSA key may be of any size.
        if material.public()?.key_type() == key_type { Ok(material) } else { Err(unknown()) }
    }

    /// What is sealed: a byte for the key type (the table at the end), then PKCS#8 version 1 (RFC 5208), DER.
    pub(super) fn to_bytes(&self) -> Result<Secret, Failure> {
        let bytes = match &self.pair {
            Pair::Ecdsa(pair, _) => pair.to_pkcs8v1().map(|pkcs8| self.with_code(pkcs8.as_ref())),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|pkcs8| self.with_code(pkcs8.as_ref())),
            Pair::MlDsa(pair) => pair.to_pkcs8v1().map(|pkcs8| self.with_code(pkcs8.as_ref())),
            Pair::Rsa(pair) => pair.as_der().map(|pkcs8: Pkcs8V1Der<'_>| self.with_code(pkcs8.as_ref())),
        };

        bytes.map_err(|unspecified| internal("write a key pair", unspecified))?
    }

    pub(super) fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The public half.
    pub(super) fn public(&self) -> Result<PublicKey, Failure> {
        let der: Result<PublicKeyX509Der<'_>, Unspecified> = match &self.pair {
            Pair::Ecdsa(pair, _) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::MlDsa(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair) => pair.public_key().as_der(),
        };
        let der = der.map_err(|unspecified| internal("write a public key", unspecified))?;

        PublicKey::from_der(der.as_ref()).map_err(|bad| internal("write a public key", bad))
    }

    /// Whether signing `input` takes so little time that it may happen where others wait for it.
    pub(super) fn signs_quickly(&self, input: &[u8]) -> bool {
        match &self.pair {
            Pair::Ecdsa(..) => true,
            Pair::Ed25519(_) => input.len() <= QUICK_MESSAGE,
            // ML-DSA draws signatures until one is fit: how often is chance.
            Pair::MlDsa(_) | Pair::Rsa(_) => false,
        }
    }

    /// Signs `input`, as custody rendered it. ECDSA signatures are r and s, each as long as the curve's order.
    pub(super) fn sign(&self, mechanism: Mechanism, input: &[u8]) -> Result<Vec<u8>, Failure> {
        match (&self.pair, mechanism) {
            (Pair::Ecdsa(pair, curve), Mechanism::Ecdsa) => sign_ecdsa(pair, *curve, input),
            (Pair::Ed25519(pair), Mechanism::Ed25519) => {
                let signature = pair.try_sign(input).map_err(|unspecified| internal("sign", unspecified))?;
                Ok(signature.as_ref().to_vec())
            }
            (Pair::MlDsa(pair), Mechanism::MlDsa) => sign_ml_dsa(pair, input),
            (Pair::Rsa(pair), Mechanism::RsaPkcs1v15(hash)) => sign_rsa(pair, pkcs1(hash), hash, input),
            (Pair::Rsa(pair), Mechanism::RsaPss(hash)) => sign_rsa(pair, pss(hash), hash, input),
            (
                Pair::Ecdsa(..) | Pair::Ed25519(_) | Pair::MlDsa(_) | Pair::Rsa(_),
                Mechanism::Ecdsa
                | Mechanism::Ed25519
                | Mechanism::Ed25519ph
                | Mechanism::Ed25519phOfMessage
                | Mechanism::RsaPkcs1v15DigestInfo
                | Mechanism::RsaPkcs1v15(_)
                | Mechanism::RsaPss(_)
                | Mechanism::MlDsa,
            ) => Err(Failure::new(
                FailureKind::Unsupported,
                format!("the embedded token does not offer {mechanism} for {} keys", self.key_type),
            )),
        }
    }

    fn with_code(&self, pkcs8: &[u8]) -> Result<Secret, Failure> {
        let (_, code) = CODES
            .iter()
            .find(|(known, _)| *known == self.key_type)
            .ok_or_else(|| not_offered(self.key_type))?;
        let mut bytes = Vec::with_capacity(1 + pkcs8.len());
        bytes.push(*code);
        bytes.extend_from_slice(pkcs8);

        Ok(Secret::new(bytes))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material({})", self.key_type)
    }
}

/// What making, reading and using a key type takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Ecdsa(Curve),
    Ed25519,
    MlDsa(&'static PqdsaSigningAlgorithm),
    Rsa(KeySize),
}

impl Kind {
    pub(super) fn of(key_type: KeyType) -> Result<Self, Failure> {
        match key_type {
            KeyType::EcP256 => Ok(Self::Ecdsa(Curve::P256)),
            KeyType::EcP384 => Ok(Self::Ecdsa(Curve::P384)),
            KeyType::EcP521 => Ok(Self::Ecdsa(Curve::P521)),
            KeyType::Ed25519 => Ok(Self::Ed25519),
            KeyType::Rsa2048 => Ok(Self::Rsa(KeySize::Rsa2048)),
            KeyType::Rsa3072 => Ok(Self::Rsa(KeySize::Rsa3072)),
            KeyType::Rsa4096 => Ok(Self::Rsa(KeySize::Rsa4096)),
            KeyType::MlDsa44 => Ok(Self::MlDsa(&ML_DSA_44_SIGNING)),
            KeyType::MlDsa65 => Ok(Self::MlDsa(&ML_DSA_65_SIGNING)),
            KeyType::MlDsa87 => Ok(Self::MlDsa(&ML_DSA_87_SIGNING)),
            KeyType::EcSecp256k1 => Err(not_offered(key_type)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) fn algorithm(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
        }
    }

    /// The hash of [`Curve::algorithm`], the longest of which all bits count on this curve.
    fn hash(self) -> Hash {
        match self {
            Self::P256 => Hash::Sha256,
            Self::P384 => Hash::Sha384,
            Self::P521 => Hash::Sha512,
        }
    }
}

/// Signs a digest, or its leftmost bytes, of whatever hash.
///
/// aws-lc-rs signs only digests of the algorithm's own hash. But ECDSA knows no hashes: it signs the integer that the
/// leftmost bits of the digest are, big-endian (FIPS 186-5, section 6.4.1, step 2). Zeros before a shorter digest do
/// not change that integer, and up to the length of the algorithm's own hash, which is at most as long as the curve's
/// order, no bit is cut off. Verified with each curve and hash by the conformance suite.
fn sign_ecdsa(pair: &EcdsaKeyPair, curve: Curve, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let length = curve.hash().digest_len();
    if !Hash::ALL.iter().any(|hash| hash.digest_len() == input.len()) || input.len() > length {
        return Err(wrong_length(input, "the leftmost bytes of a digest, as many as the curve's order has"));
    }

    let mut padded = vec![0; length - input.len()];
    padded.extend_from_slice(input);
    let digest = Digest::import_less_safe(&padded, algorithm(curve.hash()));
    let signature = digest.and_then(|digest| pair.sign_digest(&digest));

    Ok(signature.map_err(|unspecified| internal("sign", unspecified))?.as_ref().to_vec())
}

/// Signs a message with an empty context; hedged with fresh randomness (FIPS 204, algorithm 2).
fn sign_ml_dsa(pair: &PqdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut signature = vec![0; pair.algorithm().signature_len()];
    pair.sign(message, &mut signature).map_err(|unspecified| internal("sign", unspecified))?;

    Ok(signature)
}

fn sign_rsa(
    pair: &RsaKeyPair,
    encoding: &'static dyn RsaEncoding,
    hash: Hash,
    input: &[u8],
) -> Result<Vec<u8>, Failure> {
    let digest = Digest::import_less_safe(input, algorithm(hash))
        .map_err(|_unspecified| wrong_length(input, hash.as_str()))?;

    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(encoding, &digest, &mut signature)
        .map_err(|unspecified| internal("sign", unspecified))?;
    Ok(signature)
}

fn pkcs1(hash: Hash) -> &'static dyn RsaEncoding {
    match hash {
        Hash::Sha256 => &RSA_PKCS1_SHA256,
        Hash::Sha384 => &RSA_PKCS1_SHA384,
        Hash::Sha512 => &RSA_PKCS1_SHA512,
    }
}

/// With MGF1 of the same hash and a salt as long as the digest, which is what aws-lc-rs does if not told otherwise.
fn pss(hash: Hash) -> &'static dyn RsaEncoding {
    match hash {
        Hash::Sha256 => &RSA_PSS_SHA256,
        Hash::Sha384 => &RSA_PSS_SHA384,
        Hash::Sha512 => &RSA_PSS_SHA512,
    }
}

fn algorithm(hash: Hash) -> &'static aws_lc_rs::digest::Algorithm {
    match hash {
        Hash::Sha256 => &SHA256,
        Hash::Sha384 => &SHA384,
        Hash::Sha512 => &SHA512,
    }
}

fn wrong_length(input: &[u8], wanted: &str) -> Failure {
    Failure::new(FailureKind::InvalidArgument, format!("{} bytes are not {wanted}", input.len()))
}

/// Whether there are key pairs of this type.
pub(super) fn offers(key_type: KeyType) -> Result<(), Failure> {
    Kind::of(key_type).map(drop)
}

fn not_offered(key_type: KeyType) -> Failure {
    Failure::new(FailureKind::Unsupported, format!("the embedded token does not offer {key_type} keys"))
}

fn internal(what: &str, error: impl fmt::Display) -> Failure {
    Failure::new(FailureKind::Internal, format!("cannot {what}: {error}"))
}

/// Bytes of a message that Ed25519 hashes twice in about the time that an ECDSA signature takes.
const QUICK_MESSAGE: usize = 16 * 1024;

/// The byte that stands for a key type in sealed material. Never change one.
const CODES: &[(KeyType, u8)] = &[
    (KeyType::EcP256, 1),
    (KeyType::EcP384, 2),
    (KeyType::EcP521, 3),
    (KeyType::Ed25519, 4),
    (KeyType::Rsa2048, 5),
    (KeyType::Rsa3072, 6),
    (KeyType::Rsa4096, 7),
    (KeyType::MlDsa44, 8),
    (KeyType::MlDsa65, 9),
    (KeyType::MlDsa87, 10),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn material_comes_back_from_its_bytes() {
        for (key_type, code) in CODES {
            let made = Material::generate(*key_type).unwrap();
            let bytes = made.to_bytes().unwrap();
            let read = Material::from_bytes(bytes.expose()).unwrap();

            assert_eq!(bytes.expose()[0], *code);
            assert_eq!((read.key_type(), read.public().unwrap()), (*key_type, made.public().unwrap()));
        }
    }

    #[test]
    fn ed25519_signs_as_in_rfc_8032() {
        // Section 7.1, test 3. PKCS#8 version 1 of its secret key.
        let pkcs8 = "302e020100300506032b657004220420c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
        let bytes = hex::decode("04".to_owned() + pkcs8).unwrap();
        let signature =
            Material::from_bytes(&bytes).unwrap().sign(Mechanism::Ed25519, &[0xaf, 0x82]).unwrap();

        assert_eq!(
            hex::encode(signature),
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        );
    }

    #[test]
    fn a_key_of_another_type_than_its_code_says_is_refused() {
        let p256 = Material::generate(KeyType::EcP256).unwrap().to_bytes().unwrap();
        let rsa = Material::generate(KeyType::Rsa2048).unwrap().to_bytes().unwrap();
        let ml_dsa = Material::generate(KeyType::MlDsa65).unwrap().to_bytes().unwrap();
        for code in 0..=255 {
            for material in [p256.expose(), rsa.expose(), ml_dsa.expose()] {
                let relabelled = [&[code], &material[1..]].concat();
                assert_eq!(Material::from_bytes(&relabelled).is_ok(), code == material[0], "{code}");
            }
        }
    }

    #[test]
    fn material_is_never_printed() {
        assert_eq!(format!("{:?}", Material::generate(KeyType::EcP256).unwrap()), "Material(ec-p256)");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, code in 0_u8..12) {
            bytes.insert(0, code);
            prop_assert!(Material::from_bytes(&bytes).is_err());
        }
    }
}
