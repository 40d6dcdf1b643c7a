//! Key management services in the words that they share, and which of them stands for each of ours.

use std::time::Duration;

use crate::bindings::keyport::provider::cloud_kms;
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

    /// How the key stands, as the service says now. It costs a call of the service and changes nothing there; a few of them are
    /// allowed in one operation, together with those for the public half.
    ///
    /// ```
    /// use keyport_sdk::cloud_kms::{Key, KeyState};
    ///
    /// /// What an operator should know of a key that does not sign.
    /// fn said(key: &impl Key) -> keyport_sdk::Result<Option<&'static str>> {
    ///     Ok(match key.state()? {
    ///         KeyState::Enabled => None,
    ///         KeyState::Disabled => Some("somebody disabled it"),
    ///         KeyState::Pending => Some("it is not ready yet"),
    ///         KeyState::PendingDeletion(_) => Some("its deletion can be taken back"),
    ///         KeyState::Gone => Some("there is none"),
    ///         KeyState::Unavailable => Some("the service cannot reach it"),
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// What the service says; that there is no such key is [`KeyState::Gone`].
    fn state(&self) -> Result<KeyState>;

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

/// How a key stands at its service. The WIT package says which word of each service's is which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// It signs.
    Enabled,
    /// It is there, and does not sign until somebody changes that.
    Disabled,
    /// It is on its way: being made, imported, replicated or recovered.
    Pending,
    /// It is deleted, and that can still be taken back: until this time since 1970-01-01T00:00:00Z, where the service says one.
    PendingDeletion(Option<Duration>),
    /// There is none, or none that will ever sign.
    Gone,
    /// The service has it and cannot reach it, or says what the gateway has no word for.
    Unavailable,
}

impl From<cloud_kms::KeyState> for KeyState {
    fn from(state: cloud_kms::KeyState) -> Self {
        match state {
            cloud_kms::KeyState::Enabled => Self::Enabled,
            cloud_kms::KeyState::Disabled => Self::Disabled,
            cloud_kms::KeyState::Pending => Self::Pending,
            cloud_kms::KeyState::PendingDeletion(until) => {
                Self::PendingDeletion(until.map(Duration::from_millis))
            }
            cloud_kms::KeyState::Gone => Self::Gone,
            cloud_kms::KeyState::Unavailable => Self::Unavailable,
        }
    }
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
