//! What fuzz targets reach of this crate: every parser of what callers, issuers and operators write.

use std::path::Path;

use crate::auth::fuzz_token;
use crate::component::{Artifact, Signatures, fuzz_manifest};
use crate::config::{Config, Environment};
use crate::contract::{remote_kms, v1, webhook};
use crate::request::percent_decoded;

/// Bodies of all contracts.
pub fn bodies(body: &[u8]) {
    webhook::fuzz(body);
    remote_kms::fuzz(body);
    v1::fuzz(body);
}

/// A configuration file. It is read or its mistakes are listed.
pub fn configuration(text: &str) {
    if let Err(mistakes) = Config::parse(text, Path::new("keyport.toml"), &Environment::new(|_| None)) {
        assert!(!mistakes.to_string().is_empty());
    }
}

/// What a registry says of a component, and the name of one.
pub fn component_manifest(bytes: &[u8]) {
    fuzz_manifest(bytes);
    if let Some(artifact) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Artifact>().ok()) {
        assert_eq!(artifact.to_string().as_bytes(), bytes);
    }
}

/// Signatures of a component. What is read is written the same.
pub fn component_signatures(text: &str) {
    if let Ok(signatures) = text.parse::<Signatures>() {
        assert_eq!(signatures.to_string().parse().as_ref(), Ok(&signatures));
        drop(signatures.valid(b"a component"));
    }
}

/// A segment of a path.
pub fn segment(segment: &str) {
    drop(percent_decoded(segment).map(|text| text.len()));
}

/// A JSON Web Token, before it is verified.
pub fn token(token: &[u8]) {
    fuzz_token(token);
}
