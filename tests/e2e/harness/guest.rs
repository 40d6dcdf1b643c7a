//! Components that misbehave.

use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};

/// The provider that misbehaves as its setting `mode` tells it.
pub(crate) fn hostile_component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();

    COMPONENT.get_or_init(|| built("keyport-guest-hostile"))
}

/// The provider that passes everything on to a service over HTTP.
pub(crate) fn http_component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();

    COMPONENT.get_or_init(|| built("keyport-guest-http"))
}

/// Cargo itself sees to it that there is one at a time.
fn built(package: &str) -> Vec<u8> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("..");
    let built = keyport_sdk_build::component(&workspace, package);

    built.unwrap_or_else(|error| panic!("{package} does not build: {error}")).bytes
}

/// The SHA-256 of `bytes`, lower-case hexadecimal.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}
