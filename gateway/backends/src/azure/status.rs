//! What every error of a vault's means for a caller, and what an operator should do: one table, each row with its reason.

use std::time::Duration;

use keyport_core::{Failure, FailureKind};

use super::wire::{Reason, Refused};
use crate::cloud::said;
use crate::http::exchange::Whole;

/// What the answer of a refused call means.
pub(super) fn failure(answer: &Whole) -> Failure {
    let refused: Option<Refused> = serde_json::from_slice(&answer.body).ok();
    let reason = refused.map(|refused| refused.error).filter(|reason| !reason.code.is_empty());
    // Who answers without a vault's words is something before it, and knows nothing of keys.
    let is_vaults = reason.is_some();
    let Reason { code, message, innererror } = reason.unwrap_or_default();
    let inner = innererror.map(|inner| inner.code).unwrap_or_default();

    let (kind, why) = match answer.status {
        404 if !is_vaults => (FailureKind::Internal, "nothing that a vault answers; is `vault` one?"),
        status => row(status, &inner),
    };
    let code = if inner.is_empty() { code } else { format!("{code}, {inner}") };
    let said = said(&format!("{code}: {message}"));
    let message = format!("status {}: {why} The vault says: {said}", answer.status);
    Failure { code: answer.status.into(), retry_after: retry_after(answer), ..Failure::new(kind, message) }
}

/// The name of a status.
pub(super) fn name_of(code: u32) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

fn row(status: u16, inner: &str) -> (FailureKind, &'static str) {
    match (status, inner) {
        (400 | 405 | 415, _) => {
            (FailureKind::InvalidArgument, "the vault does not take the request as it is.")
        }
        (401, _) => (
            FailureKind::Credentials,
            "the access token was not taken: see `login`, and this machine's clock.",
        ),
        (403, "KeyDisabled" | "KeyNotYetValid" | "KeyExpired") => {
            (FailureKind::KeyGone, "the key is disabled, or its time is not now.")
        }
        (403, "ForbiddenByFirewall" | "ForbiddenByConnection") => {
            (FailureKind::Denied, "the vault's network rules do not let this machine in.")
        }
        (403, _) => (
            FailureKind::Denied,
            "the gateway's role lacks a permission for keys: create, get, list, sign, delete or recover.",
        ),
        (404, _) => (FailureKind::NotFound, "there is no such key."),
        (409, "ObjectIsDeletedButRecoverable" | "ObjectIsBeingDeleted" | "ObjectIsBeingRecovered") => (
            FailureKind::KeyGone,
            "the key was deleted and can still be recovered: restore it, or purge it in the vault.",
        ),
        (408 | 409, _) => (FailureKind::Unavailable, "something else came first."),
        (429, _) => (FailureKind::Throttled, "there are more calls than the vault takes."),
        (500.., _) => (FailureKind::Unavailable, "the vault does not serve now."),
        (_, _) => (FailureKind::Internal, "nothing that a vault answers; is `vault` one?"),
    }
}

/// `Retry-After`, of which vaults and Entra write seconds.
pub(super) fn retry_after(answer: &Whole) -> Option<Duration> {
    let seconds = answer.headers.get("retry-after")?.to_str().ok()?.parse().ok()?;

    Some(Duration::from_secs(seconds))
}

const NAMES: [(u32, &str); 12] = [
    (400, "BadRequest"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "NotFound"),
    (405, "MethodNotAllowed"),
    (408, "RequestTimeout"),
    (409, "Conflict"),
    (429, "TooManyRequests"),
    (500, "InternalServerError"),
    (502, "BadGateway"),
    (503, "ServiceUnavailable"),
    (504, "GatewayTimeout"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::cloud::fuzz;

    proptest! {
        #[test]
        fn whatever_is_answered_the_operator_reads_a_line_of_it(answer in fuzz::refusal()) {
            crate::azure::fuzz::refused(&answer);
        }
    }
}
