//! Keys of those who sign components: Ed25519, the private half for `keyport provider sign` and the public half for
//! the configuration.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::{Zeroize, Zeroizing};

/// The bytes of a signature.
pub(super) type Signature = [u8; 64];

/// Who signs components: an Ed25519 public key. As text it is `ed25519:` and its 32 bytes in base64 (RFC 4648, section
/// 4, with padding).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Signer([u8; 32]);

impl Signer {
    /// Whether this is a signature of theirs of `message`.
    pub(super) fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl FromStr for Signer {
    type Err = BadSigner;

    fn from_str(text: &str) -> Result<Self, BadSigner> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| BASE64_STANDARD.decode(text).ok());

        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(BadSigner)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64_STANDARD.encode(self.0))
    }
}

/// A text that is no signer's public key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write ed25519: and 44 base64 digits, as printed by: keyport provider key new FILE")]
pub(crate) struct BadSigner;

/// What components are signed with. Never printed, but by [`SigningKey::to_pem`].
pub(crate) struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new one, of aws-lc's own random generator.
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        Ed25519KeyPair::generate().map(Self)
    }

    /// One from a PEM file: PKCS#8, as [`SigningKey::to_pem`] or OpenSSL writes it.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, BadSigningKey> {
        let mut der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_pem| BadSigningKey)?;
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        der.zeroize();

        key.map(Self).map_err(|_rejected| BadSigningKey)
    }

    /// The key as it stands in its file: PKCS#8 without the public half, which every OpenSSL reads, in PEM.
    pub(crate) fn to_pem(&self) -> Result<Zeroizing<String>, Unspecified> {
        let der: Pkcs8V1Der<'_> = self.0.as_der()?;
        let digits = Zeroizing::new(BASE64_STANDARD.encode(der.as_ref()));

        // 48 bytes are one line of 64 digits (RFC 7468, section 2).
        Ok(Zeroizing::new(
            ["-----BEGIN PRIVATE KEY-----\n", &digits, "\n-----END PRIVATE KEY-----\n"].concat(),
        ))
    }

    /// Its public half.
    pub(crate) fn signer(&self) -> Signer {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());

        Signer(bytes)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(message).as_ref());

        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.signer())
    }
}

/// A text that is no signing key. It is never repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is no Ed25519 private key in PEM (PKCS#8); make one with: keyport provider key new FILE")]
pub(crate) struct BadSigningKey;

const PREFIX: &str = "ed25519:";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_file_and_never_printed() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pem().unwrap();

        assert!(pem.lines().all(|line| line.len() <= 64), "{}", pem.lines().count());
        let read = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(read.signer(), key.signer());
        assert_eq!(read.sign(b"message"), key.sign(b"message"));
        assert!(!format!("{key:?}").contains(pem.lines().nth(1).unwrap()));
    }

    /// The first key pair of RFC 8032, section 7.1, as `openssl pkey` writes it.
    #[test]
    fn a_key_of_openssls_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                   -----END PRIVATE KEY-----\n";

        let key = SigningKey::from_pem(pem).unwrap();
        assert_eq!(key.signer().to_string(), "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        assert_eq!(key.to_pem().unwrap().as_str(), pem);
    }

    #[test]
    fn what_is_no_signing_key_is_refused() {
        let pem = SigningKey::generate().unwrap().to_pem().unwrap();
        let cut = &pem[..pem.len() - 30];
        let other_kind = rcgen::KeyPair::generate().unwrap().serialize_pem();

        for text in ["", "ed25519:AAAA", cut, &other_kind] {
            assert_eq!(SigningKey::from_pem(text).unwrap_err(), BadSigningKey, "{text}");
        }
    }

    #[test]
    fn what_is_no_signer_is_refused() {
        let right = SigningKey::generate().unwrap().signer().to_string();
        let (prefix, digits) = right.split_once(':').unwrap();

        for text in [
            "",
            "ed25519:",
            digits,
            &format!("{prefix}: {digits}"),
            &format!("{right}="),
            right.trim_end_matches('='),
            &format!("ED25519:{digits}"),
            &format!("{prefix}:{}", BASE64_STANDARD.encode([7; 33])),
        ] {
            assert_eq!(text.parse::<Signer>(), Err(BadSigner), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_signer_is_read_back_from_its_text(bytes: [u8; 32]) {
            prop_assert_eq!(Signer(bytes).to_string().parse(), Ok(Signer(bytes)));
        }

        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _signer = text.parse::<Signer>();
            let _key = SigningKey::from_pem(&text);
        }
    }
}
