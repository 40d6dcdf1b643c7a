//! Why a caller did not get what it asked for.

use std::sync::Arc;
use std::time::Duration;

/// What lies behind an error: for the operator's log, never for the caller.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What every operation of the gateway returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a caller did not get what it asked for.
///
/// The list is closed, and every contract maps it totally. `Display` is what the caller may read; what only the
/// operator may know is the `source`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No credential, or one that is not known.
    #[error("not authenticated")]
    Unauthenticated,
    /// The caller is known, and may not do this.
    #[error("the policy does not allow this")]
    Forbidden,
    /// There is no such key, or it is another tenant's.
    #[error("no such key")]
    KeyNotFound,
    /// The name is taken.
    #[error("a key of that name exists")]
    KeyExists,
    /// The key was released and signs no more.
    #[error("the key was released")]
    KeyReleased,
    /// The request can never succeed as it is.
    #[error("{field}: {reason}")]
    InvalidRequest {
        /// The field that is wrong, as the contract spells it.
        field: &'static str,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// The provider does not offer this.
    #[error("not offered by this provider")]
    Unsupported,
    /// Too much at once.
    #[error("slow down")]
    Throttled {
        /// When to come back.
        retry_after: Duration,
    },
    /// Something that is needed did not answer in time.
    #[error("a dependency did not answer")]
    Unavailable {
        /// When to come back.
        retry_after: Duration,
        /// What it was.
        #[source]
        cause: Cause,
    },
    /// The custodian no longer has the key.
    #[error("temporarily unable to sign")]
    KeyLost(#[source] Cause),
    /// The gateway's own rights or credentials at the custodian are wrong.
    #[error("temporarily unable to sign")]
    Misconfigured(#[source] Cause),
    /// A mistake of the gateway's or of a provider's.
    #[error("internal error")]
    Internal(#[source] Cause),
}

impl Error {
    /// An [`Error::InvalidRequest`].
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidRequest { field, reason: reason.into() }
    }

    /// An [`Error::Unavailable`] with the usual time to come back.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { retry_after: RETRY_AFTER, cause: Arc::from(cause.into()) }
    }

    /// An [`Error::Internal`].
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(cause.into()))
    }

    /// The error and all that lies behind it, for the operator's log.
    #[must_use]
    pub fn detail(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }

    /// The error's name in bodies, in the audit log and in metrics: lower-case words joined by `_`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::KeyNotFound => "key_not_found",
            Self::KeyExists => "key_exists",
            Self::KeyReleased => "key_released",
            Self::InvalidRequest { .. } => "invalid_request",
            Self::Unsupported => "unsupported",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::KeyLost(_) => "key_lost",
            Self::Misconfigured(_) => "misconfigured",
            Self::Internal(_) => "internal",
        }
    }

    /// Whether the fault is the caller's, so that the event says `refused` and not `failed`.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unauthenticated
            | Self::Forbidden
            | Self::KeyNotFound
            | Self::KeyExists
            | Self::KeyReleased
            | Self::InvalidRequest { .. }
            | Self::Unsupported
            | Self::Throttled { .. } => true,
            Self::Unavailable { .. } | Self::KeyLost(_) | Self::Misconfigured(_) | Self::Internal(_) => false,
        }
    }
}

/// When to come back after a dependency failed and said nothing better.
const RETRY_AFTER: Duration = Duration::from_secs(1);
