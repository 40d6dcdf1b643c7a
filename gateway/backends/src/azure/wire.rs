//! What a vault answers, as far as it is read.

use serde::Deserialize;

/// A key's version.
#[derive(Debug, Deserialize)]
pub(super) struct Bundle {
    pub(super) key: Jwk,
    #[serde(default)]
    pub(super) attributes: Attributes,
}

/// A key that was deleted and can be recovered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deleted {
    pub(super) key: Jwk,
    /// When the vault purges it, in seconds since 1970.
    pub(super) scheduled_purge_date: Option<u64>,
}

/// Its public half, and what it is called.
#[derive(Debug, Deserialize)]
pub(super) struct Jwk {
    pub(super) kid: String,
    pub(super) kty: String,
    #[serde(default)]
    pub(super) key_ops: Vec<String>,
    pub(super) crv: Option<String>,
    pub(super) x: Option<String>,
    pub(super) y: Option<String>,
    pub(super) n: Option<String>,
    pub(super) e: Option<String>,
}

/// Whether it can be used, and since when it is there.
#[derive(Debug, Deserialize)]
pub(super) struct Attributes {
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    /// Seconds since 1970, as the others.
    #[serde(default)]
    pub(super) created: u64,
    /// From when on it can be used.
    pub(super) nbf: Option<u64>,
    /// Until when.
    pub(super) exp: Option<u64>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { enabled: true, created: 0, nbf: None, exp: None }
    }
}

fn yes() -> bool {
    true
}

/// Some versions of a key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) value: Vec<Version>,
    /// Where more of them are.
    pub(super) next_link: Option<String>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) kid: String,
    #[serde(default)]
    pub(super) attributes: Attributes,
}

/// A signature.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    pub(super) kid: String,
    pub(super) value: String,
}

/// What it answers instead.
#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) error: Reason,
}

/// Why.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) innererror: Option<Box<Inner>>,
}

/// Why, more exactly.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Inner {
    pub(super) code: String,
}
