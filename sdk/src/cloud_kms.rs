//! Key management services in the words that they share, and which of them stands for each of ours.

pub use crate::bindings::keyport::provider::cloud_kms::{KeySpec, MessageType, SigningAlgorithm};
use crate::types::{KeyType, Result, Scheme};

/// A version of an asymmetric signing key that a service holds.
///
/// It is good for the call in which it was found or made. A provider may hold 16 at a time, and should keep none when it
/// answers: the gateway does not use such an instance again.
pub trait Key {
    /// The public half as the service has it: SubjectPublicKeyInfo, DER. Of a key that was made a moment ago it costs no call
    /// of the service.
    ///
    /// # Errors
    ///
    /// What the service says: [`NotFound`](crate::ErrorKind::NotFound) where there is no such key.
    fn public_key(&self) -> Result<Vec<u8>>;

    /// Signs what the open operation holds. ECDSA signatures are r and s, each as long as the curve's order.
    ///
    /// # Errors
    ///
    /// What the service says: [`KeyGone`](crate::ErrorKind::KeyGone) where it is disabled or about to be deleted; and
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the algorithm does not take such a message type.
    fn sign(&self, how: How) -> Result<Vec<u8>>;

    /// Has the service delete the key, in the time that it takes for that. Succeeds when there is none.
    ///
    /// # Errors
    ///
    /// What the service says.
    fn schedule_deletion(&self) -> Result<()>;
}

/// How a service is asked to sign, and of what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct How {
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// What it is handed.
    pub message_type: MessageType,
}

impl From<Scheme> for How {
    /// How signatures of this scheme are made.
    fn from(scheme: Scheme) -> Self {
        let algorithm = match scheme {
            // Which digest it is matters to nobody but the gateway, which holds it.
            Scheme::Ecdsa(_) => SigningAlgorithm::Ecdsa,
            Scheme::Ed25519 => SigningAlgorithm::Ed25519,
            Scheme::Ed25519ph => SigningAlgorithm::Ed25519ph,
            Scheme::RsaPkcs1v15(hash) => SigningAlgorithm::RsassaPkcs1V15(hash),
            Scheme::RsaPss(hash) => SigningAlgorithm::RsassaPss(hash),
            Scheme::MlDsa => SigningAlgorithm::MlDsa,
        };
        let message_type = match scheme {
            Scheme::Ed25519 | Scheme::MlDsa => MessageType::Raw,
            Scheme::Ecdsa(_) | Scheme::Ed25519ph | Scheme::RsaPkcs1v15(_) | Scheme::RsaPss(_) => {
                MessageType::Digest
            }
        };

        Self { algorithm, message_type }
    }
}

impl From<KeyType> for KeySpec {
    /// How services call keys of this type.
    fn from(key_type: KeyType) -> Self {
        match key_type {
            KeyType::EcP256 => Self::EccNistP256,
            KeyType::EcP384 => Self::EccNistP384,
            KeyType::EcP521 => Self::EccNistP521,
            KeyType::EcSecp256k1 => Self::EccSecgP256k1,
            KeyType::Ed25519 => Self::EccNistEdwards25519,
            KeyType::Rsa2048 => Self::Rsa2048,
            KeyType::Rsa3072 => Self::Rsa3072,
            KeyType::Rsa4096 => Self::Rsa4096,
            KeyType::MlDsa44 => Self::MlDsa44,
            KeyType::MlDsa65 => Self::MlDsa65,
            KeyType::MlDsa87 => Self::MlDsa87,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Hash;

    #[test]
    fn a_digest_is_handed_over_wherever_the_scheme_signs_one() {
        for (scheme, message_type) in [
            (Scheme::Ecdsa(Hash::Sha384), MessageType::Digest),
            (Scheme::Ed25519, MessageType::Raw),
            (Scheme::Ed25519ph, MessageType::Digest),
            (Scheme::RsaPkcs1v15(Hash::Sha256), MessageType::Digest),
            (Scheme::RsaPss(Hash::Sha512), MessageType::Digest),
            (Scheme::MlDsa, MessageType::Raw),
        ] {
            assert_eq!(How::from(scheme).message_type, message_type, "{scheme}");
        }
    }
}
