//! The log line of a request.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use keyport_core::Error;

use crate::contract::Noted;

/// One line for each request: what went well is for those who look closer.
pub(super) fn log(contract: &'static str, noted: &Noted, status: u16, took: Duration) {
    let Some(refusal) = &noted.refusal else {
        tracing::debug!(contract, status, ?took, "{}", Story(noted));
        return;
    };

    let error = refusal.error();
    match error {
        Error::Unauthenticated
        | Error::Forbidden
        | Error::KeyNotFound
        | Error::KeyExists
        | Error::KeyReleased
        | Error::InvalidRequest { .. }
        | Error::Unsupported
        | Error::Throttled { .. } => tracing::info!(contract, status, ?took, "{}: {}", Story(noted), Causes(&error)),
        Error::Unavailable { .. } => tracing::warn!(contract, status, ?took, "{}: {}", Story(noted), Causes(&error)),
        Error::KeyLost(_) | Error::Misconfigured(_) | Error::Internal(_) => {
            tracing::error!(contract, status, ?took, "{}: {}", Story(noted), Causes(&error));
        }
    }
}

/// Who wanted what, in a line: `acme/tds sign x509-CA-A key_released`.
struct Story<'a>(&'a Noted);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Noted { caller, key, operation, .. } = self.0;

        if let Some(caller) = caller {
            write!(f, "{}/{} ", caller.tenant, caller.name)?;
        }
        f.write_str(operation.as_str())?;
        if let Some(key) = key {
            write!(f, " {key}")?;
        }
        write!(f, " {}", self.0.outcome())
    }
}

/// An error with all that lies behind it.
struct Causes<'a>(&'a Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
