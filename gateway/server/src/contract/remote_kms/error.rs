//! What callers of `remote_kms` are told when something was not done, in the words its clients know.

use std::borrow::Cow;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use keyport_core::Error;
use keyport_core::audit::Operation;
use serde::Serialize;

use super::wire::{ALG, DATA, KID, PRIVATE_JWK};
use crate::contract::{Noted, Refusal, retry_after_seconds};
use crate::json;
use crate::request::BadBody;

/// The answer to a request that was refused, of which `noted` says what it asked for.
pub(super) fn response(refusal: &Refusal, noted: &Noted) -> Response<Full<Bytes>> {
    let (status, header) = status(refusal, noted.operation);

    let mut response = json::response(status, &Body { error: &text(refusal, noted) });
    response.headers_mut().extend(header);
    response
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
}

type Header = Option<(HeaderName, HeaderValue)>;

fn status(refusal: &Refusal, operation: Operation) -> (StatusCode, Header) {
    match refusal {
        Refusal::Body(BadBody::Broken) => (StatusCode::BAD_REQUEST, None),
        Refusal::Body(BadBody::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Refusal::Body(BadBody::TooSlow) => (StatusCode::REQUEST_TIMEOUT, None),
        // Said by method, because it is how clients learn that a provider cannot import at all: nothing is allowed.
        Refusal::Failed(Error::Unsupported) if operation == Operation::Import => not_allowed(""),
        Refusal::Failed(error) => failed(error),
        Refusal::NoSuchPath => (StatusCode::NOT_FOUND, None),
        Refusal::Unauthenticated(_) => failed(&Error::Unauthenticated),
        Refusal::WrongMethod { allow } => not_allowed(allow),
    }
}

fn failed(error: &Error) -> (StatusCode, Header) {
    match error {
        Error::Unauthenticated => {
            (StatusCode::UNAUTHORIZED, Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))))
        }
        Error::Forbidden => (StatusCode::FORBIDDEN, None),
        Error::KeyNotFound => (StatusCode::NOT_FOUND, None),
        Error::KeyExists | Error::KeyReleased => (StatusCode::CONFLICT, None),
        Error::InvalidRequest { .. } | Error::Unsupported => (StatusCode::BAD_REQUEST, None),
        Error::Throttled { retry_after } => {
            (StatusCode::TOO_MANY_REQUESTS, Some((RETRY_AFTER, retry_after_seconds(*retry_after))))
        }
        Error::Unavailable { retry_after, .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, Some((RETRY_AFTER, retry_after_seconds(*retry_after))))
        }
        // No Retry-After: it will be so until a person has acted.
        Error::KeyLost(_) | Error::Misconfigured(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
    }
}

fn not_allowed(allow: &'static str) -> (StatusCode, Header) {
    (StatusCode::METHOD_NOT_ALLOWED, Some((ALLOW, HeaderValue::from_static(allow))))
}

fn text(refusal: &Refusal, noted: &Noted) -> Cow<'static, str> {
    match (refusal.error(), &noted.key) {
        (Error::Unauthenticated, _) => Cow::Borrowed("Unauthorized"),
        (Error::KeyNotFound, Some(name)) => Cow::Owned(format!("Key not found: {name}")),
        (Error::InvalidRequest { field, reason }, _) => Cow::Owned(invalid(field, &reason)),
        (error, _) => Cow::Owned(error.to_string()),
    }
}

/// The contract's sentences, for its own fields and for those that the gateway has another name for.
fn invalid(field: &'static str, reason: &str) -> String {
    match field {
        ALG => format!("Unsupported algorithm: {reason}"),
        DATA | "message" => format!("{DATA} {reason}"),
        KID => format!("{KID} {reason}"),
        PRIVATE_JWK | "private_key" => format!("{PRIVATE_JWK}: {reason}"),
        _ => format!("{field}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use keyport_core::key::KeyName;

    use super::*;
    use crate::auth::Denial;
    use crate::testing::wire;

    /// Every refusal there is, by the name of its golden file.
    fn refusals() -> Vec<(&'static str, Refusal)> {
        let cause: keyport_core::Cause = Arc::new(std::io::Error::other("secret of the operator's"));
        let later = Duration::from_millis(1500);
        let invalid = |field, reason| Refusal::Failed(Error::invalid(field, reason));

        vec![
            ("algorithm-unsupported", invalid(ALG, "RS1")),
            ("body-broken", Refusal::Body(BadBody::Broken)),
            ("body-not-json", invalid("body", "must be a JSON object")),
            ("body-too-large", Refusal::Body(BadBody::TooLarge { limit: 65_536 })),
            ("body-too-slow", Refusal::Body(BadBody::TooSlow)),
            ("data-not-base64", invalid(DATA, "must be valid Base64")),
            ("forbidden", Refusal::Failed(Error::Forbidden)),
            ("internal", Refusal::Failed(Error::Internal(Arc::clone(&cause)))),
            ("key-exists", Refusal::Failed(Error::KeyExists)),
            ("key-lost", Refusal::Failed(Error::KeyLost(Arc::clone(&cause)))),
            ("key-not-found", Refusal::Failed(Error::KeyNotFound)),
            ("key-released", Refusal::Failed(Error::KeyReleased)),
            ("kid-required", invalid(KID, "is required")),
            ("misconfigured", Refusal::Failed(Error::Misconfigured(Arc::clone(&cause)))),
            ("no-such-path", Refusal::NoSuchPath),
            ("private-jwk-wrong", invalid("private_key", "its parts do not belong together")),
            ("throttled", Refusal::Failed(Error::Throttled { retry_after: later })),
            ("unauthenticated", Refusal::Unauthenticated(Denial::UnknownToken)),
            ("unavailable", Refusal::Failed(Error::Unavailable { retry_after: Duration::ZERO, cause })),
            ("unsupported", Refusal::Failed(Error::Unsupported)),
            ("wrong-method", Refusal::WrongMethod { allow: "POST" }),
        ]
    }

    fn noted(operation: Operation) -> Noted {
        Noted { key: Some(KeyName::new(KID, "ns/a").unwrap()), operation, ..Noted::default() }
    }

    async fn assert_golden(name: &str, response: Response<Full<Bytes>>) {
        let file = format!("{}/../../tests/golden/remote-kms/{name}.http", env!("CARGO_MANIFEST_DIR"));
        let golden = std::fs::read_to_string(file).unwrap_or_default();
        let wire = wire(response).await;

        assert_eq!(wire, golden, "{name}");
        assert!(!wire.contains("secret"), "{name} tells callers what only the operator may know");
    }

    #[tokio::test]
    async fn every_refusal_is_on_the_wire_as_its_golden_file_says() {
        for (name, refusal) in refusals() {
            assert_golden(name, response(&refusal, &noted(Operation::Sign))).await;
        }
    }

    #[tokio::test]
    async fn a_provider_that_cannot_import_allows_no_method() {
        let refusal = Refusal::Failed(Error::Unsupported);

        assert_golden("import-unsupported", response(&refusal, &noted(Operation::Import))).await;
    }
}
