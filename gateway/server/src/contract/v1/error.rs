//! What callers of `v1` are told when something was not done.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use keyport_core::Error;
use keyport_core::name::RequestId;
use serde::Serialize;

use crate::contract::{Refusal, retry_after_seconds};
use crate::json;
use crate::request::BadBody;

/// The answer to a request that was refused.
pub(super) fn response(refusal: &Refusal, id: &RequestId) -> Response<Full<Bytes>> {
    let (status, header) = status(refusal);
    let error = refusal.error().to_string();

    let mut response =
        json::response(status, &Body { error: &error, code: refusal.code(), request_id: id.as_str() });
    response.headers_mut().extend(header);
    response
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: &'static str,
    request_id: &'a str,
}

/// The status of an error, where it stands inside an answer.
pub(super) fn status_of(error: &Error) -> StatusCode {
    failed(error).0
}

type Header = Option<(HeaderName, HeaderValue)>;

fn status(refusal: &Refusal) -> (StatusCode, Header) {
    match refusal {
        Refusal::Body(BadBody::Broken) => (StatusCode::BAD_REQUEST, None),
        Refusal::Body(BadBody::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Refusal::Body(BadBody::TooSlow) => (StatusCode::REQUEST_TIMEOUT, None),
        Refusal::Failed(error) => failed(error),
        Refusal::NoSuchPath => (StatusCode::NOT_FOUND, None),
        Refusal::Unauthenticated(_) => failed(&Error::Unauthenticated),
        Refusal::WrongMethod { allow } => {
            (StatusCode::METHOD_NOT_ALLOWED, Some((ALLOW, HeaderValue::from_static(allow))))
        }
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
        Error::InvalidRequest { .. } => (StatusCode::BAD_REQUEST, None),
        Error::Unsupported => (StatusCode::UNPROCESSABLE_ENTITY, None),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::auth::Denial;
    use crate::testing::wire;

    /// Every refusal there is, by the name of its golden file.
    fn refusals() -> Vec<(&'static str, Refusal)> {
        let cause: keyport_core::Cause = Arc::new(std::io::Error::other("secret of the operator's"));
        let later = Duration::from_millis(1500);

        vec![
            ("body-broken", Refusal::Body(BadBody::Broken)),
            ("body-too-large", Refusal::Body(BadBody::TooLarge { limit: 262_144 })),
            ("body-too-slow", Refusal::Body(BadBody::TooSlow)),
            ("forbidden", Refusal::Failed(Error::Forbidden)),
            ("internal", Refusal::Failed(Error::Internal(Arc::clone(&cause)))),
            ("invalid-request", Refusal::Failed(Error::invalid("limit", "must be 1 to 1000"))),
            ("key-exists", Refusal::Failed(Error::KeyExists)),
            ("key-lost", Refusal::Failed(Error::KeyLost(Arc::clone(&cause)))),
            ("key-not-found", Refusal::Failed(Error::KeyNotFound)),
            ("key-released", Refusal::Failed(Error::KeyReleased)),
            ("misconfigured", Refusal::Failed(Error::Misconfigured(Arc::clone(&cause)))),
            ("no-such-path", Refusal::NoSuchPath),
            ("throttled", Refusal::Failed(Error::Throttled { retry_after: later })),
            ("unauthenticated", Refusal::Unauthenticated(Denial::UnknownToken)),
            ("unavailable", Refusal::Failed(Error::Unavailable { retry_after: Duration::ZERO, cause })),
            ("unsupported", Refusal::Failed(Error::Unsupported)),
            ("wrong-method", Refusal::WrongMethod { allow: "GET, POST" }),
        ]
    }

    #[tokio::test]
    async fn every_refusal_is_on_the_wire_as_its_golden_file_says() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/v1");

        for (name, refusal) in refusals() {
            let golden = std::fs::read_to_string(format!("{folder}/{name}.http")).unwrap_or_default();
            let wire = wire(response(&refusal, &"request-1".parse().unwrap())).await;

            assert_eq!(wire, golden, "{name}");
            assert!(!wire.contains("secret"), "{name} tells callers what only the operator may know");
        }
    }
}
