//! The seed, and what is derived from it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk, Salt};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use keyport_core::{Failure, FailureKind};
use zeroize::Zeroizing;

/// 32 bytes that key pairs are derived from: HKDF-SHA512 without a salt (RFC 5869), of which only the extracted key is kept.
pub struct Seed(Prk);

impl Seed {
    /// The seed of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; LENGTH]) -> Self {
        Self(Salt::new(HKDF_SHA512, &[]).extract(bytes))
    }

    /// The Ed25519 key pair of `info`, whose seed (RFC 8032, section 5.1.5) is what HKDF expands.
    pub(super) fn key_pair(&self, info: &str) -> Result<Ed25519KeyPair, Failure> {
        let internal = |error: &dyn fmt::Display| {
            Failure::new(FailureKind::Internal, format!("a key cannot be derived: {error}"))
        };
        let seed = self.expand::<LENGTH>(info).map_err(|error| internal(&error))?;

        Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|error| internal(&error))
    }

    /// What tells this seed from others and says nothing of its keys: no key's `info` is without a `|`.
    pub(super) fn fingerprint(&self) -> Result<String, Unspecified> {
        self.expand::<8>("fingerprint").map(|bytes| hex::encode(*bytes))
    }

    fn expand<const N: usize>(&self, info: &str) -> Result<Zeroizing<[u8; N]>, Unspecified> {
        let mut bytes = Zeroizing::new([0; N]);
        self.0.expand(&[info.as_bytes()], Bytes::<N>)?.fill(&mut *bytes)?;

        Ok(bytes)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

impl FromStr for Seed {
    type Err = BadSeed;

    /// Reads 64 hexadecimal digits, or the same bytes in base64 (RFC 4648, section 4), padded or not.
    fn from_str(text: &str) -> Result<Self, BadSeed> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        if hex::decode_to_slice(text, &mut *bytes).is_ok() {
            return Ok(Self::new(&bytes));
        }

        match BASE64.decode_slice(text, &mut *bytes) {
            Ok(LENGTH) => Ok(Self::new(&bytes)),
            Ok(_) | Err(_) => Err(BadSeed),
        }
    }
}

/// A text that is no seed. It does not say which.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a seed is 32 bytes, in hexadecimal or base64; make one with: openssl rand -base64 32")]
pub struct BadSeed;

/// As many bytes as HKDF is asked for.
#[derive(Clone, Copy, Debug)]
struct Bytes<const N: usize>;

impl<const N: usize> KeyType for Bytes<N> {
    fn len(&self) -> usize {
        N
    }
}

/// Bytes of a seed, and of an Ed25519 seed.
const LENGTH: usize = 32;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_pair_is_what_other_implementations_derive() {
        // Made by Python's `cryptography` 48.0:
        //
        //     out = HKDF(hashes.SHA512(), 32, None, info).derive(bytes(range(32)))
        //     Ed25519PrivateKey.from_private_bytes(out).public_key().public_bytes_raw().hex()
        for (info, public) in [
            ("acme|demo", "905933bf957648fb07bce8200914bac21ca72acbe2c6b715fb0cfee0391f3250"),
            ("lab|demo", "0e8946f31ebd64fde5e8980b99627cb5c7c0943e63757c6a7c3ab8105904886a"),
            ("acme|ключ|1", "1bbff07ec11162df19d90cd370792b3eead16e45e264df28ea9dcf6aec072f75"),
        ] {
            let pair = seed().key_pair(info).unwrap();
            assert_eq!(hex::encode(pair.public_key()), public, "{info}");
        }
    }

    #[test]
    fn a_signature_is_what_other_implementations_make() {
        // By the same key pair: .sign(b"message").hex()
        let signature = "afbb4e09043dd225dcfb7837cbaba6908a36d3ef535ac8d2b06d7bb69e59a5f1\
                         4de9de5cbb0d30baf9c8a065171b5c5274f3b59deaa9c5ea62bc37ab68b6c002";

        assert_eq!(hex::encode(seed().key_pair("acme|demo").unwrap().sign(b"message")), signature);
    }

    #[test]
    fn a_seed_is_read_from_hexadecimal_and_base64() {
        let expected = seed().fingerprint().unwrap();
        for text in [
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        ] {
            assert_eq!(text.parse::<Seed>().unwrap().fingerprint().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_seed_of_another_length_is_refused_and_never_printed() {
        for text in ["", "hunter2", "00", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", &"00".repeat(33)] {
            let refused = text.parse::<Seed>().unwrap_err().to_string();
            assert!(text.len() < 3 || !refused.contains(text), "{refused}");
        }
        assert_eq!(format!("{:?}", seed()), "Seed(…)");
    }

    proptest! {
        #[test]
        fn any_seed_reads_the_same_from_both_spellings(bytes in any::<[u8; LENGTH]>()) {
            let expected = Seed::new(&bytes).fingerprint().unwrap();

            for text in [hex::encode(bytes), BASE64.encode(bytes)] {
                prop_assert_eq!(text.parse::<Seed>().unwrap().fingerprint().unwrap(), &expected[..]);
            }
        }

        #[test]
        fn no_text_panics_and_only_32_bytes_are_a_seed(text in "[0-9A-Za-z+/=]{0,70}") {
            let is_hexadecimal = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_base64 = BASE64.decode(&text).is_ok_and(|bytes| bytes.len() == LENGTH);

            prop_assert_eq!(text.parse::<Seed>().is_ok(), is_hexadecimal || is_base64);
        }
    }

    fn seed() -> Seed {
        Seed::new(&std::array::from_fn(|place| u8::try_from(place).unwrap()))
    }
}
