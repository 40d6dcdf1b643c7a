//! Verifies Ed25519ph, which aws-lc-rs does not have. Everything here is public, so no time it takes tells a secret.

use der::Decode;
use ed25519_dalek::ed25519::signature::digest::consts::U64;
use ed25519_dalek::ed25519::signature::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};

use super::SubjectPublicKeyInfo;
use crate::input::Digest;
use crate::signature::Signature;

/// Whether `signature` is over `digest`, with an empty context (RFC 8032, section 5.1.7). Points of small order, which
/// verify what nobody signed, are refused.
pub(super) fn verifies(spki: &[u8], digest: &Digest, signature: &Signature) -> bool {
    let (Some(key), Some(digest)) = (key(spki), Hashed::of(digest)) else { return false };
    let Ok(signature) = Ed25519Signature::from_slice(signature.bytes()) else { return false };

    key.verify_prehashed_strict(digest, None, &signature).is_ok()
}

/// The point; `None` where the bytes are not that of any.
fn key(spki: &[u8]) -> Option<VerifyingKey> {
    let spki = SubjectPublicKeyInfo::from_der(spki).ok()?;

    VerifyingKey::try_from(spki.subject_public_key.as_bytes()?).ok()
}

/// A SHA-512 that has ended already: verification asks it for the digest, and for nothing else.
#[derive(Default)]
struct Hashed(Output<Self>);

impl Hashed {
    fn of(digest: &Digest) -> Option<Self> {
        digest.bytes().try_into().ok().map(Self)
    }
}

impl OutputSizeUser for Hashed {
    type OutputSize = U64;
}

impl FixedOutput for Hashed {
    fn finalize_into(self, out: &mut Output<Self>) {
        *out = self.0;
    }
}

impl Update for Hashed {
    /// Never called: there is nothing left to hash.
    fn update(&mut self, _data: &[u8]) {}
}

impl HashMarker for Hashed {}

#[cfg(test)]
mod tests {
    use crate::input::{Digest, Input};
    use crate::public_key::PublicKey;
    use crate::scheme::{Hash, Scheme};
    use crate::signature::Signature;

    fn public(point: &str) -> PublicKey {
        let spki = format!("302a300506032b6570032100{point}");

        PublicKey::from_der(&hex::decode(spki).unwrap()).unwrap()
    }

    fn verifies(point: &str, message: &[u8], signature: &[u8]) -> bool {
        let public = public(point);
        let signature = Signature::new(public.key_type(), signature.to_vec()).unwrap();
        let digest = Input::Digest(Digest::of(Hash::Sha512, message));

        let verified = public.verifies(Scheme::Ed25519ph, &digest, &signature).unwrap();
        let message = Input::Message(message.into());
        assert_eq!(public.verifies(Scheme::Ed25519ph, &message, &signature).unwrap(), verified);
        verified
    }

    #[test]
    fn the_vector_of_rfc_8032_verifies() {
        assert!(verifies(POINT, b"abc", &hex::decode(SIGNATURE).unwrap()));
    }

    #[test]
    fn no_other_message_signature_or_key_does() {
        let good = hex::decode(SIGNATURE).unwrap();

        assert!(!verifies(POINT, b"abd", &good));
        assert!(!verifies(OTHER_POINT, b"abc", &good));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(!verifies(POINT, b"abc", &bad), "{at}");
        }
    }

    #[test]
    fn a_pure_signature_of_the_digest_is_none_and_the_other_way_about() {
        let public = public(POINT);
        let digest = Digest::of(Hash::Sha512, b"abc");
        let prehashed = Signature::new(public.key_type(), hex::decode(SIGNATURE).unwrap()).unwrap();

        let as_message = Input::Message(digest.bytes().into());
        assert!(!public.verifies(Scheme::Ed25519, &as_message, &prehashed).unwrap());
        let message = Input::Message(b"abc".as_slice().into());
        assert!(!public.verifies(Scheme::Ed25519, &message, &prehashed).unwrap());
    }

    #[test]
    fn a_scalar_that_is_not_reduced_is_refused() {
        let mut bytes = hex::decode(SIGNATURE).unwrap();
        let order = hex::decode(ORDER).unwrap();
        let mut carry = 0;
        for (byte, part) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(part) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }

        assert!(!verifies(POINT, b"abc", &bytes));
    }

    #[test]
    fn points_that_are_none_or_of_small_order_verify_nothing() {
        // R is the same point, and S is 0: [S]B = R + [k]A for every k that the order divides.
        for (point, message) in [(NEUTRAL, b"any".as_slice()), (NEUTRAL, b"other")] {
            let signature = [hex::decode(point).unwrap(), vec![0; 32]].concat();
            assert!(!verifies(point, message, &signature), "{point}");
        }
        assert!(!verifies(NO_POINT, b"abc", &hex::decode(SIGNATURE).unwrap()));
    }

    // RFC 8032, section 7.3.
    const POINT: &str = "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf";
    const SIGNATURE: &str = concat!(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41",
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    );
    /// Section 7.1, the first key.
    const OTHER_POINT: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    /// The order of the base point, little-endian.
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    /// y = 1.
    const NEUTRAL: &str = "0100000000000000000000000000000000000000000000000000000000000000";
    /// y = 2 is on no point of the curve.
    const NO_POINT: &str = "0200000000000000000000000000000000000000000000000000000000000000";
}
