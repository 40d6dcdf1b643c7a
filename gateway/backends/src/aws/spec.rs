//! The gateway's key types and mechanisms in the service's words, and what each takes.

use std::borrow::Cow;

use aws_sdk_kms::types::{KeySpec, MessageType, SigningAlgorithmSpec};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Family, Hash, KeyType};
use keyport_core::{Failure, FailureKind};

use crate::cloud::widened;

/// What the service is asked to sign.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) algorithm: SigningAlgorithmSpec,
    pub(super) message_type: MessageType,
    pub(super) message: Cow<'a, [u8]>,
}

/// The service's word for a type of key; `None` for those that it does not make, or that are no keys of this gateway's.
pub(super) fn key_spec(key_type: KeyType) -> Option<KeySpec> {
    match key_type {
        KeyType::EcP256 => Some(KeySpec::EccNistP256),
        KeyType::EcP384 => Some(KeySpec::EccNistP384),
        KeyType::EcP521 => Some(KeySpec::EccNistP521),
        KeyType::EcSecp256k1 => Some(KeySpec::EccSecgP256K1),
        KeyType::Ed25519 => Some(KeySpec::EccNistEdwards25519),
        KeyType::Rsa2048 => Some(KeySpec::Rsa2048),
        KeyType::Rsa3072 => Some(KeySpec::Rsa3072),
        KeyType::Rsa4096 => Some(KeySpec::Rsa4096),
        KeyType::MlDsa44 => Some(KeySpec::MlDsa44),
        KeyType::MlDsa65 => Some(KeySpec::MlDsa65),
        KeyType::MlDsa87 => Some(KeySpec::MlDsa87),
    }
}

/// The service's word for a type of key to be made.
pub(super) fn made(key_type: KeyType) -> Result<KeySpec, Failure> {
    key_spec(key_type).ok_or_else(|| {
        let message = format!("AWS KMS makes no keys of type {key_type} for this gateway");
        Failure::new(FailureKind::Unsupported, message)
    })
}

/// The type of a key that is there.
pub(super) fn key_type(spec: &KeySpec) -> Option<KeyType> {
    KeyType::ALL.into_iter().find(|key_type| key_spec(*key_type).as_ref() == Some(spec))
}

/// What the service is asked, so that a key of this type signs `input` by `mechanism`.
pub(super) fn order(key_type: KeyType, mechanism: Mechanism, input: &[u8]) -> Result<Order<'_>, Failure> {
    match (mechanism, key_type.family()) {
        (Mechanism::Ecdsa, Family::Ecdsa { order }) => {
            let is_digest = Hash::ALL.iter().any(|hash| input.len() == hash.digest_len().min(order));
            let message = widened(key_type, input).filter(|_| is_digest);
            let message = message.ok_or_else(|| unfit(key_type, mechanism, input))?;
            Ok(Order { algorithm: ecdsa(key_type)?, message_type: MessageType::Digest, message })
        }
        (Mechanism::Ed25519, Family::EdDsa) => raw(SigningAlgorithmSpec::Ed25519Sha512, input),
        // The service has no word for a context: it is empty.
        (Mechanism::MlDsa, Family::MlDsa { .. }) => raw(SigningAlgorithmSpec::MlDsaShake256, input),
        (Mechanism::Ed25519ph, Family::EdDsa) if input.len() == Hash::Sha512.digest_len() => Ok(Order {
            algorithm: SigningAlgorithmSpec::Ed25519PhSha512,
            message_type: MessageType::Digest,
            message: input.into(),
        }),
        (Mechanism::RsaPkcs1v15(hash), Family::Rsa { .. }) if input.len() == hash.digest_len() => {
            Ok(Order { algorithm: pkcs1v15(hash), message_type: MessageType::Digest, message: input.into() })
        }
        (Mechanism::RsaPss(hash), Family::Rsa { .. }) if input.len() == hash.digest_len() => {
            Ok(Order { algorithm: pss(hash), message_type: MessageType::Digest, message: input.into() })
        }
        (Mechanism::Ed25519ph, Family::EdDsa)
        | (Mechanism::RsaPkcs1v15(_) | Mechanism::RsaPss(_), Family::Rsa { .. }) => {
            Err(unfit(key_type, mechanism, input))
        }
        (
            Mechanism::Ecdsa
            | Mechanism::Ed25519
            | Mechanism::Ed25519ph
            | Mechanism::Ed25519phOfMessage
            | Mechanism::RsaPkcs1v15DigestInfo
            | Mechanism::RsaPkcs1v15(_)
            | Mechanism::RsaPss(_)
            | Mechanism::MlDsa,
            _,
        ) => {
            let message = format!("AWS KMS does not sign by {mechanism} with {key_type}");
            Err(Failure::new(FailureKind::Unsupported, message))
        }
    }
}

/// A message that the service hashes itself.
fn raw(algorithm: SigningAlgorithmSpec, input: &[u8]) -> Result<Order<'_>, Failure> {
    if (1..=LONGEST).contains(&input.len()) {
        return Ok(Order { algorithm, message_type: MessageType::Raw, message: input.into() });
    }

    let message = format!("the service signs messages of 1 to {LONGEST} bytes, not of {}", input.len());
    Err(Failure::new(FailureKind::InvalidArgument, message))
}

/// The one algorithm that the service has for a curve. Its name has a hash, whose length a digest must have.
fn ecdsa(key_type: KeyType) -> Result<SigningAlgorithmSpec, Failure> {
    match key_type {
        KeyType::EcP256 | KeyType::EcSecp256k1 => Ok(SigningAlgorithmSpec::EcdsaSha256),
        KeyType::EcP384 => Ok(SigningAlgorithmSpec::EcdsaSha384),
        KeyType::EcP521 => Ok(SigningAlgorithmSpec::EcdsaSha512),
        KeyType::Ed25519
        | KeyType::Rsa2048
        | KeyType::Rsa3072
        | KeyType::Rsa4096
        | KeyType::MlDsa44
        | KeyType::MlDsa65
        | KeyType::MlDsa87 => {
            Err(Failure::new(FailureKind::Unsupported, format!("{key_type} signs no ECDSA")))
        }
    }
}

fn pkcs1v15(hash: Hash) -> SigningAlgorithmSpec {
    match hash {
        Hash::Sha256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
        Hash::Sha384 => SigningAlgorithmSpec::RsassaPkcs1V15Sha384,
        Hash::Sha512 => SigningAlgorithmSpec::RsassaPkcs1V15Sha512,
    }
}

/// The service's salt is as long as the hash ("RSASSA-PSS" in "Asymmetric key specs" of its developer guide).
fn pss(hash: Hash) -> SigningAlgorithmSpec {
    match hash {
        Hash::Sha256 => SigningAlgorithmSpec::RsassaPssSha256,
        Hash::Sha384 => SigningAlgorithmSpec::RsassaPssSha384,
        Hash::Sha512 => SigningAlgorithmSpec::RsassaPssSha512,
    }
}

fn unfit(key_type: KeyType, mechanism: Mechanism, input: &[u8]) -> Failure {
    let message = format!("{mechanism} does not sign {} bytes with {key_type}", input.len());

    Failure::new(FailureKind::InvalidArgument, message)
}

/// Bytes of a message, where it is the service that hashes.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_type_is_found_again_by_its_word() {
        for known in KeyType::ALL {
            assert_eq!(key_spec(known).as_ref().and_then(key_type), Some(known));
        }
        for other in [KeySpec::SymmetricDefault, KeySpec::Sm2, KeySpec::Hmac256] {
            assert_eq!(key_type(&other), None);
        }
    }

    #[test]
    fn a_digest_has_the_length_of_the_hash_in_the_algorithms_name() {
        for (key_type, length, algorithm) in [
            (KeyType::EcP256, 32, SigningAlgorithmSpec::EcdsaSha256),
            (KeyType::EcSecp256k1, 32, SigningAlgorithmSpec::EcdsaSha256),
            (KeyType::EcP384, 48, SigningAlgorithmSpec::EcdsaSha384),
            (KeyType::EcP521, 64, SigningAlgorithmSpec::EcdsaSha512),
        ] {
            let order = order(key_type, Mechanism::Ecdsa, &[7; 32]).unwrap();

            assert_eq!((order.message.len(), order.algorithm), (length, algorithm));
            assert_eq!(order.message_type, MessageType::Digest);
        }
    }

    #[test]
    fn messages_are_as_long_as_the_service_takes_them() {
        for (key_type, mechanism) in
            [(KeyType::Ed25519, Mechanism::Ed25519), (KeyType::MlDsa65, Mechanism::MlDsa)]
        {
            let kind =
                |length| order(key_type, mechanism, &vec![7; length]).map_err(|refused| refused.kind).err();

            assert_eq!([1, 4096].map(kind), [None, None]);
            assert_eq!([0, 4097].map(kind), [Some(FailureKind::InvalidArgument); 2]);
        }
    }
}
