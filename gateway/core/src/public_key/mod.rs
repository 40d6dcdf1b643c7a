//! The public half of a key pair.

mod ed25519ph;
#[cfg(test)]
mod ml_dsa;
mod verify;

use std::fmt;
use std::sync::Arc;

use der::asn1::{BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode};

use crate::scheme::KeyType;

/// The public half of a key pair: a SubjectPublicKeyInfo (RFC 5280, section 4.1) of a type the gateway knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    der: Arc<[u8]>,
    key_type: KeyType,
    fingerprint: Fingerprint,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, BadPublicKey> {
        let spki = SubjectPublicKeyInfo::from_der(der).map_err(|_der| BadPublicKey::NotSpki)?;

        Ok(Self { der: der.into(), key_type: spki.key_type()?, fingerprint: Fingerprint::of(der) })
    }

    /// The public half that a key of ML-DSA has in FIPS 204, as it is.
    pub fn from_ml_dsa(key_type: KeyType, bytes: &[u8]) -> Result<Self, BadPublicKey> {
        let set = ML_DSA.into_iter().find(|(_, known, length)| (*known, *length) == (key_type, bytes.len()));
        let (algorithm, ..) = set.ok_or(BadPublicKey::UnknownType)?;
        let subject_public_key = BitStringRef::from_bytes(bytes).map_err(|_der| BadPublicKey::UnknownType)?;
        let algorithm = AlgorithmIdentifier { algorithm, parameters: None };
        let spki = SubjectPublicKeyInfo { algorithm, subject_public_key };

        Self::from_der(&spki.to_der().map_err(|_der| BadPublicKey::NotSpki)?)
    }

    /// The SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The kind of key pair it is half of.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// What it is recognised by.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// The SHA-256 of a SubjectPublicKeyInfo's DER, written as `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    fn of(der: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);

        Self(format!("sha256:{}", hex::encode(digest)).into())
    }

    /// The fingerprint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why bytes are not a public key the gateway can use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadPublicKey {
    /// No SubjectPublicKeyInfo.
    #[error("not a SubjectPublicKeyInfo in DER")]
    NotSpki,
    /// An algorithm, curve or size that is no [`KeyType`].
    #[error("of an algorithm, curve or size that is not supported")]
    UnknownType,
}

#[derive(der::Sequence)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    subject_public_key: BitStringRef<'a>,
}

#[derive(der::Sequence)]
struct AlgorithmIdentifier<'a> {
    algorithm: ObjectIdentifier,
    parameters: Option<der::asn1::AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

impl SubjectPublicKeyInfo<'_> {
    fn key_type(&self) -> Result<KeyType, BadPublicKey> {
        let parameters = self.algorithm.parameters;
        let key_type = match self.algorithm.algorithm {
            EC => curve(parameters.ok_or(BadPublicKey::NotSpki)?),
            RSA => self.rsa_size()?,
            ED25519 => Some(KeyType::Ed25519),
            other => self.ml_dsa(other)?,
        };

        key_type.ok_or(BadPublicKey::UnknownType)
    }

    /// The ML-DSA type of this algorithm, if it is one's. Its parameters are absent, and the key is what FIPS 204 has, as it is
    /// (RFC 9881, sections 2 and 4).
    fn ml_dsa(&self, algorithm: ObjectIdentifier) -> Result<Option<KeyType>, BadPublicKey> {
        let Some((_, key_type, length)) = ML_DSA.into_iter().find(|(known, ..)| *known == algorithm) else {
            return Ok(None);
        };
        let bytes = self.subject_public_key.as_bytes().ok_or(BadPublicKey::NotSpki)?;
        if self.algorithm.parameters.is_some() {
            return Err(BadPublicKey::NotSpki);
        }

        Ok((bytes.len() == length).then_some(key_type))
    }

    fn rsa_size(&self) -> Result<Option<KeyType>, BadPublicKey> {
        let bytes = self.subject_public_key.as_bytes().ok_or(BadPublicKey::NotSpki)?;
        let key = RsaPublicKey::from_der(bytes).map_err(|_der| BadPublicKey::NotSpki)?;
        if key.public_exponent.as_bytes() != F4 {
            return Ok(None);
        }

        let modulus = key.modulus.as_bytes();
        let full = modulus.first().is_some_and(|byte| byte & 0x80 != 0);
        Ok(match modulus.len() {
            256 if full => Some(KeyType::Rsa2048),
            384 if full => Some(KeyType::Rsa3072),
            512 if full => Some(KeyType::Rsa4096),
            _ => None,
        })
    }
}

fn curve(parameters: der::asn1::AnyRef<'_>) -> Option<KeyType> {
    match parameters.decode_as::<ObjectIdentifier>().ok()? {
        P256 => Some(KeyType::EcP256),
        P384 => Some(KeyType::EcP384),
        P521 => Some(KeyType::EcP521),
        SECP256K1 => Some(KeyType::EcSecp256k1),
        _ => None,
    }
}

// RFC 5480 (EC), RFC 8017 (RSA), RFC 8410 (Ed25519), RFC 9881 (ML-DSA).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The parameter sets of ML-DSA, and the bytes of a public key of each (FIPS 204, table 2).
const ML_DSA: [(ObjectIdentifier, KeyType, usize); 3] = [
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17"), KeyType::MlDsa44, 1312),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"), KeyType::MlDsa65, 1952),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19"), KeyType::MlDsa87, 2592),
];

/// The public exponent 65537.
const F4: &[u8] = &[1, 0, 1];

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_type_is_read_from_the_algorithm() {
        let ec = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
        let der: PublicKeyX509Der<'_> = ec.public_key().as_der().unwrap();
        assert_eq!(PublicKey::from_der(der.as_ref()).unwrap().key_type(), KeyType::EcP521);

        let ed = Ed25519KeyPair::generate().unwrap();
        let der: PublicKeyX509Der<'_> = ed.public_key().as_der().unwrap();
        assert_eq!(PublicKey::from_der(der.as_ref()).unwrap().key_type(), KeyType::Ed25519);
    }

    #[test]
    fn an_ml_dsa_key_of_another_length_or_with_parameters_is_none() {
        let spki = |parameters: Option<der::asn1::AnyRef<'_>>, length| {
            let bytes = vec![7; length];
            let algorithm = AlgorithmIdentifier { algorithm: ML_DSA[1].0, parameters };
            let subject_public_key = BitStringRef::from_bytes(&bytes).unwrap();
            let der = SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der().unwrap();
            PublicKey::from_der(&der).map(|public| public.key_type())
        };

        assert_eq!(spki(None, 1952), Ok(KeyType::MlDsa65));
        for length in [0, 1312, 1951, 1953, 2592] {
            assert_eq!(spki(None, length), Err(BadPublicKey::UnknownType), "{length}");
        }
        assert_eq!(spki(Some(der::asn1::AnyRef::NULL), 1952), Err(BadPublicKey::NotSpki));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _parsed = PublicKey::from_der(&bytes);
        }
    }
}
