//! The log line of a request.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use keyport_core::Error;
use keyport_core::name::RequestId;
use tracing::field::display;

use crate::contract::Noted;

/// Writes one line, louder the more it concerns those who run the gateway: what went well is for those who look
/// closer, what is a caller's fault for those who help it.
///
/// The request's id is a field here and elsewhere, not a span: a span costs every request what only some lines need.
pub(super) fn log(contract: &'static str, id: &RequestId, noted: &Noted, (status, took): (u16, Duration)) {
    // A macro, because a level must be known when its call is compiled.
    macro_rules! line {
        ($level:ident, $error:expr, $what:literal) => {
            tracing::$level!(
                request_id = %id,
                contract,
                operation = noted.operation.as_str(),
                outcome = noted.outcome(),
                status,
                ?took,
                tenant = noted.caller.as_ref().map(|caller| display(&caller.tenant)),
                caller = noted.caller.as_ref().map(|caller| display(&caller.name)),
                key = noted.key.as_ref().map(display),
                error = $error,
                $what
            )
        };
    }
    let Some(error) = noted.refusal.as_ref().map(|refusal| refusal.error()) else {
        return line!(debug, None::<&str>, "request served");
    };

    let causes = Some(display(Causes(&error)));
    match error {
        Error::Unauthenticated
        | Error::Forbidden
        | Error::KeyNotFound
        | Error::KeyExists
        | Error::KeyReleased
        | Error::InvalidRequest { .. }
        | Error::Unsupported
        | Error::Throttled { .. } => line!(info, causes, "request refused"),
        Error::Unavailable { .. } => line!(warn, causes, "request failed"),
        Error::KeyLost(_) | Error::Misconfigured(_) | Error::Internal(_) => {
            line!(error, causes, "request failed");
        }
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
