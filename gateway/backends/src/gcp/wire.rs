//! What Google's service answers, as far as it is read.

use serde::Deserialize;

/// A version of a key: what has material, and signs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) state: State,
    #[serde(default)]
    pub(super) algorithm: String,
    #[serde(default)]
    pub(super) generation_failure_reason: String,
    /// Of one that is scheduled for destruction, as in RFC 3339.
    pub(super) destroy_time: Option<String>,
}

/// Whether it can sign.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum State {
    #[serde(alias = "PENDING_IMPORT")]
    PendingGeneration,
    Enabled,
    Disabled,
    /// So are those that are still being destroyed outside of Google, or could not be: nothing brings them back.
    #[serde(alias = "EXTERNAL_DESTRUCTION_FAILED", alias = "PENDING_EXTERNAL_DESTRUCTION")]
    Destroyed,
    DestroyScheduled,
    #[serde(alias = "IMPORT_FAILED")]
    GenerationFailed,
    /// What is not known yet.
    #[serde(other)]
    Other,
}

/// A public half: in PEM, unless another form was asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Public {
    pub(super) name: String,
    #[serde(default)]
    pub(super) pem: String,
    #[serde(default)]
    pub(super) pem_crc32c: String,
    pub(super) public_key: Option<Checksummed>,
    pub(super) algorithm: String,
}

/// Bytes in base64 and their checksum (Google's `ChecksummedData`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksummed {
    pub(super) data: String,
    pub(super) crc32c_checksum: String,
}

/// A signature.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signed {
    pub(super) name: String,
    pub(super) signature: String,
    pub(super) signature_crc32c: String,
    #[serde(default)]
    pub(super) verified_digest_crc32c: bool,
    #[serde(default)]
    pub(super) verified_data_crc32c: bool,
}

/// Which of the permissions that were asked about the caller has.
#[derive(Debug, Deserialize)]
pub(super) struct Permissions {
    #[serde(default)]
    pub(super) permissions: Vec<String>,
}

/// What Google answers instead, whatever the service.
#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) error: Reason,
}

/// Google's `Status`.
#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) details: Vec<Detail>,
}

/// One of its details: of those that are read, at most one of these fields is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Detail {
    /// Of a `RetryInfo`: seconds, such as `3.5s`.
    pub(super) retry_delay: Option<String>,
    /// Of an `ErrorInfo`.
    pub(super) reason: Option<String>,
}
