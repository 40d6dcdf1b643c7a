//! Components that misbehave.

use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};

/// The provider that misbehaves as its setting `mode` tells it.
pub(crate) fn hostile_component() -> &'static [u8] {
    // One cargo at a time, and once.
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();

    COMPONENT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("..");
        keyport_sdk_build::component(&workspace, "keyport-guest-hostile")
            .unwrap_or_else(|error| panic!("the hostile guest does not build: {error}"))
            .bytes
    })
}

/// The SHA-256 of `bytes`, lower-case hexadecimal.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}
