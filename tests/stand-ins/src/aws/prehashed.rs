//! Ed25519ph, which aws-lc-rs does not have.

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::SigningKey;
use ed25519_dalek::ed25519::signature::digest::consts::U64;
use ed25519_dalek::ed25519::signature::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};

/// Signs a SHA-512 digest, with an empty context (RFC 8032, section 5.1.7).
pub(super) fn sign(pair: &Ed25519KeyPair, digest: &[u8]) -> Vec<u8> {
    let seed = pair.seed().unwrap().as_be_bytes().unwrap().as_ref().try_into().unwrap();
    let hashed = Hashed(digest.try_into().unwrap());

    SigningKey::from_bytes(&seed).sign_prehashed(hashed, None).unwrap().to_bytes().to_vec()
}

/// A SHA-512 that has ended already.
#[derive(Default)]
struct Hashed(Output<Self>);

impl OutputSizeUser for Hashed {
    type OutputSize = U64;
}

impl FixedOutput for Hashed {
    fn finalize_into(self, out: &mut Output<Self>) {
        *out = self.0;
    }
}

impl Update for Hashed {
    fn update(&mut self, _data: &[u8]) {}
}

impl HashMarker for Hashed {}
