//! The ways a custodian can be asked to sign, which of them each scheme may use, and the bytes each wants.

use std::borrow::Cow;
use std::fmt;

use crate::every::every;
use crate::input::Input;
use crate::scheme::{Family, Hash, KeyType, Scheme};

/// A way to ask a custodian for a signature: what it is handed, and what it does with that.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Mechanism {
    /// ECDSA over the bytes handed in: the leftmost bytes of the digest, as many as the curve's order has.
    Ecdsa,
    /// Pure Ed25519 over the message handed in.
    Ed25519,
    /// Ed25519ph with an empty context, over the SHA-512 digest handed in.
    Ed25519ph,
    /// Ed25519ph with an empty context where the custodian hashes: it is handed the message.
    Ed25519phOfMessage,
    /// RSASSA-PKCS1-v1_5 where the custodian adds only the padding: it is handed the DigestInfo.
    RsaPkcs1v15DigestInfo,
    /// RSASSA-PKCS1-v1_5 over the digest handed in.
    RsaPkcs1v15(Hash),
    /// RSASSA-PSS over the digest handed in, with MGF1 of the same hash and a salt as long.
    RsaPss(Hash),
    /// Pure ML-DSA with an empty context over the message handed in, of the key's own parameter set (FIPS 204, section 5.2).
    MlDsa,
}

impl Mechanism {
    /// Every mechanism, in the order in which a custodian is tried.
    pub const ALL: [Self; 12] = every!(Mechanism:
        Ecdsa,
        Ed25519,
        Ed25519ph,
        Ed25519phOfMessage,
        RsaPkcs1v15(Hash::Sha256),
        RsaPkcs1v15(Hash::Sha384),
        RsaPkcs1v15(Hash::Sha512),
        RsaPkcs1v15DigestInfo,
        RsaPss(Hash::Sha256),
        RsaPss(Hash::Sha384),
        RsaPss(Hash::Sha512),
        MlDsa,
    );

    /// Whether a signature of `scheme` may be made so. This is the one table.
    #[must_use]
    pub fn fits(self, scheme: Scheme) -> bool {
        match self {
            Self::Ecdsa => matches!(scheme, Scheme::Ecdsa(_)),
            Self::Ed25519 => scheme == Scheme::Ed25519,
            Self::Ed25519ph | Self::Ed25519phOfMessage => scheme == Scheme::Ed25519ph,
            Self::RsaPkcs1v15DigestInfo => matches!(scheme, Scheme::RsaPkcs1v15(_)),
            Self::RsaPkcs1v15(hash) => scheme == Scheme::RsaPkcs1v15(hash),
            Self::RsaPss(hash) => scheme == Scheme::RsaPss(hash),
            Self::MlDsa => scheme == Scheme::MlDsa,
        }
    }

    /// The bytes that the custodian is handed, of an input that fits the scheme; `None` where this mechanism cannot
    /// sign such an input.
    #[must_use]
    pub fn render(self, key_type: KeyType, input: &Input) -> Option<Cow<'_, [u8]>> {
        match (self, input) {
            // The leftmost bits of the digest (FIPS 186-5, section 6.4.1): where the order is shorter than a digest,
            // its length is a whole number of bytes.
            (Self::Ecdsa, Input::Digest(digest)) => {
                let Family::Ecdsa { order } = key_type.family() else { return None };
                Some(Cow::Borrowed(digest.bytes().get(..order).unwrap_or_else(|| digest.bytes())))
            }
            (Self::RsaPkcs1v15DigestInfo, Input::Digest(digest)) => {
                Some(Cow::Owned([digest_info(digest.hash()), digest.bytes()].concat()))
            }
            (Self::RsaPkcs1v15(hash) | Self::RsaPss(hash), Input::Digest(digest))
                if digest.hash() == hash =>
            {
                Some(Cow::Borrowed(digest.bytes()))
            }
            (Self::Ed25519ph, Input::Digest(digest)) if digest.hash() == Hash::Sha512 => {
                Some(Cow::Borrowed(digest.bytes()))
            }
            (Self::Ed25519 | Self::Ed25519phOfMessage | Self::MlDsa, Input::Message(message)) => {
                Some(Cow::Borrowed(message))
            }
            (
                Self::Ecdsa
                | Self::Ed25519
                | Self::Ed25519ph
                | Self::Ed25519phOfMessage
                | Self::RsaPkcs1v15DigestInfo
                | Self::RsaPkcs1v15(_)
                | Self::RsaPss(_)
                | Self::MlDsa,
                _,
            ) => None,
        }
    }
}

/// As the standards call it, for people.
impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa => f.write_str("ECDSA"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Ed25519ph => f.write_str("Ed25519ph"),
            Self::Ed25519phOfMessage => f.write_str("Ed25519ph of a message"),
            Self::RsaPkcs1v15DigestInfo => f.write_str("RSASSA-PKCS1-v1_5 of a DigestInfo"),
            Self::RsaPkcs1v15(hash) => write!(f, "RSASSA-PKCS1-v1_5 with {}", hash.as_str()),
            Self::RsaPss(hash) => write!(f, "RSASSA-PSS with {}", hash.as_str()),
            Self::MlDsa => f.write_str("ML-DSA"),
        }
    }
}

/// What stands before the digest in a DigestInfo, DER (RFC 8017, section 9.2, note 1).
#[must_use]
pub fn digest_info(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha256 => &[
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
            0x00, 0x04, 0x20,
        ],
        Hash::Sha384 => &[
            0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
            0x00, 0x04, 0x30,
        ],
        Hash::Sha512 => &[
            0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05,
            0x00, 0x04, 0x40,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Digest;

    #[test]
    fn a_curve_shorter_than_the_digest_signs_its_leftmost_bytes() {
        let bytes: Vec<u8> = (0..64).collect();
        let input = Input::Digest(Digest::new("digest", Hash::Sha512, &bytes).unwrap());

        for (key_type, length) in [(KeyType::EcP256, 32), (KeyType::EcP384, 48), (KeyType::EcP521, 64)] {
            assert_eq!(&*Mechanism::Ecdsa.render(key_type, &input).unwrap(), &bytes[..length]);
        }
    }

    #[test]
    fn digest_info_is_der_of_the_hash_and_the_digest() {
        for hash in Hash::ALL {
            let input = Input::Digest(Digest::of(hash, b"x"));
            let rendered = Mechanism::RsaPkcs1v15DigestInfo.render(KeyType::Rsa2048, &input).unwrap();

            assert_eq!(usize::from(rendered[1]) + 2, rendered.len());
            assert_eq!(usize::from(rendered[18]), hash.digest_len());
        }
    }

    #[test]
    fn ed25519ph_is_handed_a_sha_512_digest_or_the_message_and_never_the_one_for_the_other() {
        let digest = |hash| Input::Digest(Digest::of(hash, b"hello"));
        let message = Input::Message([7; 64].as_slice().into());
        let render = |mechanism: Mechanism, input: &Input| {
            mechanism.render(KeyType::Ed25519, input).map(Cow::into_owned)
        };

        let sha_512 = Digest::of(Hash::Sha512, b"hello").bytes().to_vec();
        assert_eq!(render(Mechanism::Ed25519ph, &digest(Hash::Sha512)), Some(sha_512));
        assert_eq!(render(Mechanism::Ed25519phOfMessage, &message), Some(vec![7; 64]));
        assert_eq!(render(Mechanism::Ed25519ph, &message), None);
        for mechanism in [Mechanism::Ed25519, Mechanism::Ed25519phOfMessage] {
            assert_eq!(render(mechanism, &digest(Hash::Sha512)), None, "{mechanism:?}");
        }
        for hash in [Hash::Sha256, Hash::Sha384] {
            assert_eq!(render(Mechanism::Ed25519ph, &digest(hash)), None, "{hash:?}");
        }
    }

    #[test]
    fn ml_dsa_is_handed_the_message_and_never_a_digest() {
        let message = Input::Message(b"hello".as_slice().into());

        for key_type in [KeyType::MlDsa44, KeyType::MlDsa65, KeyType::MlDsa87] {
            assert_eq!(Mechanism::MlDsa.render(key_type, &message).as_deref(), Some(b"hello".as_slice()));
            for hash in Hash::ALL {
                let digest = Input::Digest(Digest::of(hash, b"hello"));
                assert_eq!(Mechanism::MlDsa.render(key_type, &digest), None);
            }
        }
    }

    #[test]
    fn every_mechanism_serves_one_family_alone() {
        let families = [KeyType::EcP256, KeyType::Ed25519, KeyType::Rsa2048, KeyType::MlDsa44];

        for mechanism in Mechanism::ALL {
            let served = families.iter().filter(|key_type| {
                Scheme::ALL.iter().any(|scheme| scheme.fits(**key_type) && mechanism.fits(*scheme))
            });
            assert_eq!(served.count(), 1, "{mechanism:?}");
        }
    }
}
