//! The words of the contract between gateway and providers, with what makes them pleasant in Rust.

use core::fmt;

pub use crate::bindings::exports::keyport::provider::provider::{
    CreateRequest, Descriptor, Offer, SignRequest,
};
pub use crate::bindings::import_key::exports::keyport::provider::import_key::ImportRequest;
pub use crate::bindings::keyport::provider::soft_token::Mechanism;
pub use crate::bindings::keyport::provider::types::{
    Created, Error, ErrorKind, Hash, Input, KeyRef, KeyType, Label, Scheme, Usage,
};

/// What a provider answers.
pub type Result<T> = core::result::Result<T, Error>;

impl Descriptor {
    /// A provider that offers nothing yet and takes messages of any length.
    ///
    /// `name` is for people; `version` is as <https://semver.org> has it.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            offers: Vec::new(),
            max_message: u32::MAX,
            properties: Vec::new(),
        }
    }

    /// Bounds the messages that it signs, in bytes.
    #[must_use]
    pub fn messages_up_to(mut self, bytes: u32) -> Self {
        self.max_message = bytes;
        self
    }

    /// Says that its custodian hashes by itself and takes nothing that is hashed already: the provider is handed messages,
    /// whatever the scheme, and callers who bring a digest are refused.
    #[must_use]
    pub fn handed_messages(mut self) -> Self {
        self.properties.push(("input".to_owned(), "message".to_owned()));
        self
    }

    /// The same for one scheme alone: of a PKCS#11 token, for one, which hashes for Ed25519ph and for nothing else.
    #[must_use]
    pub fn handed_messages_for(mut self, scheme: Scheme) -> Self {
        self.properties.push((format!("input:{scheme}"), "message".to_owned()));
        self
    }

    /// Adds a key type, which must not be there yet, and the schemes its keys sign with.
    #[must_use]
    pub fn offer(mut self, key_type: KeyType, schemes: impl Into<Vec<Scheme>>) -> Self {
        self.offers.push(Offer { key_type, schemes: schemes.into() });
        self
    }
}

impl Error {
    /// A failure of `kind`. The message is for the operator's log: at most 1 KiB, never a secret.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: 0, message: message.into(), retry_after_ms: None }
    }

    /// With the custodian's own code: a CKR value, an HTTP status.
    #[must_use]
    pub fn with_code(mut self, code: u32) -> Self {
        self.code = code;
        self
    }

    /// With the time after which a retry makes sense, in milliseconds.
    #[must_use]
    pub fn with_retry_after_ms(mut self, milliseconds: u32) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }

    /// The request can never succeed as it is.
    #[must_use]
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// The custodian knows no such key.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The custodian does not offer this key type, scheme or function.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// The custodian did not answer, or not in time.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// The provider's own mistake.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl fmt::Display for KeyType {
    /// As the gateway's configuration and contracts have it, such as `ec-p256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::EcP521 => "ec-p521",
            Self::EcSecp256k1 => "ec-secp256k1",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        })
    }
}

impl fmt::Display for Scheme {
    /// As the gateway's configuration and audit log have it, such as `ecdsa(sha-256)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa(hash) => write!(f, "ecdsa({hash})"),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::Ed25519ph => f.write_str("ed25519ph"),
            Self::RsaPkcs1v15(hash) => write!(f, "rsa-pkcs1v15({hash})"),
            Self::RsaPss(hash) => write!(f, "rsa-pss({hash})"),
            Self::MlDsa => f.write_str("ml-dsa"),
        }
    }
}

impl Hash {
    /// Every hash, the shortest first.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The length of a digest in bytes.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl TryFrom<Scheme> for Mechanism {
    type Error = Error;

    /// How the embedded token makes signatures of `scheme`; [`ErrorKind::Unsupported`] where it cannot, and for ML-DSA, for which
    /// there is [`SoftToken::sign_ml_dsa`](crate::SoftToken::sign_ml_dsa).
    fn try_from(scheme: Scheme) -> Result<Self> {
        match scheme {
            // Which digest it is matters to nobody but the gateway, which holds it.
            Scheme::Ecdsa(_) => Ok(Self::Ecdsa),
            Scheme::Ed25519 => Ok(Self::Ed25519),
            Scheme::RsaPkcs1v15(hash) => Ok(Self::RsaPkcs1v15(hash)),
            Scheme::RsaPss(hash) => Ok(Self::RsaPss(hash)),
            Scheme::Ed25519ph | Scheme::MlDsa => {
                Err(Error::unsupported("the embedded token does not offer this scheme"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custodian_that_hashes_by_itself_is_said_in_a_property() {
        let descriptor = Descriptor::new("test", "0.0.0").handed_messages();

        assert_eq!(descriptor.properties, [("input".to_owned(), "message".to_owned())]);
        let descriptor = Descriptor::new("test", "0.0.0").handed_messages_for(Scheme::Ed25519ph);
        assert_eq!(descriptor.properties, [("input:ed25519ph".to_owned(), "message".to_owned())]);
    }

    #[test]
    fn schemes_the_token_lacks_are_unsupported() {
        for scheme in [Scheme::Ed25519ph, Scheme::MlDsa] {
            assert_eq!(Mechanism::try_from(scheme).unwrap_err().kind, ErrorKind::Unsupported);
        }
    }

    #[test]
    fn a_scheme_keeps_its_hash_as_a_mechanism() {
        for hash in Hash::ALL {
            assert_eq!(Mechanism::try_from(Scheme::Ecdsa(hash)), Ok(Mechanism::Ecdsa));
            assert_eq!(Mechanism::try_from(Scheme::RsaPss(hash)), Ok(Mechanism::RsaPss(hash)));
            assert_eq!(Mechanism::try_from(Scheme::RsaPkcs1v15(hash)), Ok(Mechanism::RsaPkcs1v15(hash)));
        }
    }

    #[test]
    fn an_error_carries_what_it_was_given() {
        let error = Error::unavailable("no answer").with_code(503).with_retry_after_ms(200);

        assert_eq!(
            error,
            Error {
                kind: ErrorKind::Unavailable,
                code: 503,
                message: "no answer".to_owned(),
                retry_after_ms: Some(200),
            }
        );
    }
}
