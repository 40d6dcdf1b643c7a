//! Why a provider or a backend did not do what it was asked.

use std::time::Duration;

/// Why a provider or a backend did not do what it was asked.
///
/// Its kind decides what callers are told; code and message go to the operator's log only.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind:?} (code {code}): {message}")]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// The custodian's own code (a CKR value, an HTTP status); 0 where there is none.
    pub code: u32,
    /// For the operator.
    pub message: String,
    /// When a retry makes sense.
    pub retry_after: Option<Duration>,
}

/// The sorts of failure, as the WIT package's `error-kind` has them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FailureKind {
    /// The request can never succeed as it is.
    InvalidArgument,
    /// The custodian knows no such key.
    NotFound,
    /// The key was there and is destroyed or about to be.
    KeyGone,
    /// A key with this id exists and differs from the one asked for.
    Exists,
    /// The custodian, or the gateway's grant, does not allow it.
    Denied,
    /// The gateway's credentials at the custodian are missing, wrong or expired.
    Credentials,
    /// A person has to act.
    OperatorNeeded,
    /// The custodian does not offer this.
    Unsupported,
    /// Too many requests.
    Throttled,
    /// No answer, or not in time.
    Unavailable,
    /// The provider's or backend's own mistake.
    Internal,
    /// Nothing of the above.
    Other,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::KeyGone,
        Self::Exists,
        Self::Denied,
        Self::Credentials,
        Self::OperatorNeeded,
        Self::Unsupported,
        Self::Throttled,
        Self::Unavailable,
        Self::Internal,
        Self::Other,
    ];

    /// The kind's name, as the WIT package has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid-argument",
            Self::NotFound => "not-found",
            Self::KeyGone => "key-gone",
            Self::Exists => "exists",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::OperatorNeeded => "operator-needed",
            Self::Unsupported => "unsupported",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::Other => "other",
        }
    }
}

impl Failure {
    /// A failure without a code of its own.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, code: 0, message: message.into(), retry_after: None }
    }
}
