//! What every answer that is no success means, and what to do about it: one table, each row with its reason.
//!
//! The server has statuses and sentences, and no codes. A sentence is looked for only where a status means several things;
//! Vault and OpenBao have them in common.

use std::time::Duration;

use keyport_core::{Failure, FailureKind};
use serde::Deserialize;

use crate::cloud::said;
use crate::http::exchange::Whole;

/// The failure that an answer to `what` stands for.
pub(super) fn failure(what: &str, answer: &Whole) -> Failure {
    let words = words(&answer.body);
    let is_the_servers = words.is_some();
    let said = said(&words.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned()));
    let row = TABLE.iter().find(|row| row.0 == answer.status && said.contains(row.1));
    let (kind, why) = match row {
        // Whatever is before the server may have such a page, and a key is not gone because of that.
        Some((404, ..)) if !is_the_servers => (FailureKind::Internal, NOT_THE_SERVER),
        Some((_, _, kind, why)) => (*kind, *why),
        None if answer.status >= 500 => {
            (FailureKind::Unavailable, "something before the server does not work")
        }
        None => (FailureKind::Internal, "the server does not answer so"),
    };

    Failure {
        kind,
        code: answer.status.into(),
        message: format!("{what}: {why} ({}: {said})", answer.status),
        retry_after: retry_after(answer),
    }
}

/// What a status is called in metrics.
pub(super) fn name_of(code: u32) -> Option<&'static str> {
    NAMES.iter().find(|(status, _)| u32::from(*status) == code).map(|(_, name)| *name)
}

/// Whether this failure says that there is no engine where one was asked.
pub(super) fn is_unmounted(failure: &Failure) -> bool {
    failure.code == 404 && failure.kind == FailureKind::OperatorNeeded
}

/// The server's own words; `None` where the answer is not the server's.
fn words(body: &[u8]) -> Option<String> {
    serde_json::from_slice(body).ok().map(|Said { errors }| errors.join("; "))
}

#[derive(Deserialize)]
struct Said {
    errors: Vec<String>,
}

/// Seconds alone: the server sends no dates (RFC 9110, section 10.2.3).
fn retry_after(answer: &Whole) -> Option<Duration> {
    let value = answer.headers.get("retry-after")?.to_str().ok()?;

    value.trim().parse().ok().map(Duration::from_secs)
}

type Row = (u16, &'static str, FailureKind, &'static str);

/// Status, what the answer says, what it is, and why. The first row that fits is meant.
const TABLE: &[Row] = &[
    (301, "", FailureKind::OperatorNeeded, ELSEWHERE),
    (302, "", FailureKind::OperatorNeeded, ELSEWHERE),
    (307, "", FailureKind::OperatorNeeded, ELSEWHERE),
    (308, "", FailureKind::OperatorNeeded, ELSEWHERE),
    // `sign` and `keys/NAME/config` answer so where others answer 404.
    (400, "signing key not found", FailureKind::NotFound, NO_KEY),
    (400, "encryption key not found", FailureKind::NotFound, NO_KEY),
    (400, "no existing key named", FailureKind::NotFound, NO_KEY),
    (400, "could not delete key; not found", FailureKind::NotFound, NO_KEY),
    (400, "path is already in use", FailureKind::Exists, "somebody mounted it before"),
    (400, "existing mount at", FailureKind::Exists, "somebody mounted it before"),
    (400, "does not support signing", FailureKind::Unsupported, "keys of this type do not sign"),
    (
        400,
        "unsupported path",
        FailureKind::OperatorNeeded,
        "this is not offered in a namespace: mend `namespace`",
    ),
    (400, "", FailureKind::InvalidArgument, "the server does not take such a request"),
    (401, "", FailureKind::Credentials, "whatever is before the server wants another login"),
    // Of a token that is not valid as well as of one that may not do this: who asks finds out.
    (403, "", FailureKind::Denied, "this is not allowed"),
    (404, "no handler for route", FailureKind::OperatorNeeded, UNMOUNTED),
    (404, "route entry not found", FailureKind::OperatorNeeded, UNMOUNTED),
    (404, "namespace not found", FailureKind::OperatorNeeded, "there is no such namespace: mend `namespace`"),
    (404, "", FailureKind::NotFound, NO_KEY),
    (405, "", FailureKind::Unsupported, "this server does not offer it"),
    (409, "", FailureKind::Exists, "it is there already"),
    // A node that copies another is behind it.
    (412, "", FailureKind::Unavailable, "this node does not know yet what another one knows"),
    (413, "", FailureKind::InvalidArgument, "the message is larger than the listener's max_request_size"),
    (429, "", FailureKind::Throttled, "a rate limit quota of the server is used up"),
    (472, "", FailureKind::Unavailable, "this node is a standby for disasters"),
    (473, "", FailureKind::Unavailable, "this node is a standby"),
    // Requests that cannot succeed are among those that the server calls its own errors.
    (500, "soft-deleted", FailureKind::KeyGone, "the key is deleted, and can be restored"),
    (500, "less than the minimum", FailureKind::KeyGone, "this version of the key must not sign any more"),
    (500, "higher than the latest", FailureKind::NotFound, "the key has no such version"),
    (500, "", FailureKind::Unavailable, "the server, its storage or its seal has an error"),
    (501, "", FailureKind::OperatorNeeded, "the server is not initialised: run `bao operator init`"),
    (502, "", FailureKind::Unavailable, "something that the server needs does not answer it"),
    (503, "sealed", FailureKind::Unavailable, "the server is sealed: unseal it (`bao operator unseal`)"),
    (
        503,
        "",
        FailureKind::Unavailable,
        "the server is sealed, in maintenance, or none is behind the load balancer",
    ),
    (504, "", FailureKind::Unavailable, "the server did not answer what is before it"),
];

const NAMES: [(u16, &str); 13] = [
    (400, "invalid request"),
    (401, "unauthorized"),
    (403, "permission denied"),
    (404, "not found"),
    (405, "unsupported operation"),
    (409, "conflict"),
    (412, "missing required state"),
    (413, "request too large"),
    (429, "rate limit quota exceeded"),
    (500, "internal error"),
    (501, "not initialised"),
    (502, "bad gateway"),
    (503, "sealed or unavailable"),
];

const ELSEWHERE: &str = "this node sends clients to another one, and the gateway sends its token nowhere but to `address`: let \
                         standbys forward requests, or name the active node";
const NOT_THE_SERVER: &str = "something before the server answered: mend `address`, or what is in between";
const NO_KEY: &str = "there is no such key";
const UNMOUNTED: &str = "nothing is mounted at this path of this namespace: run `bao secrets enable -path=MOUNT transit` (or `bao auth \
                         enable` for a login), mend `mount` or `namespace`, or set `create-mount = true`";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;
    use crate::cloud::fuzz;

    fn answer(status: u16, body: &str) -> Whole {
        Whole { status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn what_a_status_means_depends_on_what_is_said_with_it() {
        for (status, body, kind) in [
            (400, r#"{"errors":["signing key not found"]}"#, FailureKind::NotFound),
            (400, r#"{"errors":["something else"]}"#, FailureKind::InvalidArgument),
            (404, r#"{"errors":[]}"#, FailureKind::NotFound),
            (404, "404 page not found\n", FailureKind::Internal),
            (404, "<html>no handler for route</html>", FailureKind::Internal),
            (404, "", FailureKind::Internal),
            (
                404,
                r#"{"errors":["no handler for route \"x\". route entry not found."]}"#,
                FailureKind::OperatorNeeded,
            ),
            (
                500,
                r#"{"errors":["1 error occurred:\n\t* refusing to use soft-deleted key\n\n"]}"#,
                FailureKind::KeyGone,
            ),
            (500, "<html>no JSON</html>", FailureKind::Unavailable),
            (503, r#"{"errors":["Vault is sealed"]}"#, FailureKind::Unavailable),
            (599, "", FailureKind::Unavailable),
            (418, "", FailureKind::Internal),
        ] {
            assert_eq!(failure("sign", &answer(status, body)).kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn the_operator_reads_what_was_tried_what_it_means_and_what_was_said() {
        let sealed = failure("sign with keyport-1", &answer(503, r#"{"errors":["Vault is sealed"]}"#));

        assert_eq!(
            sealed.message,
            "sign with keyport-1: the server is sealed: unseal it (`bao operator unseal`) (503: Vault is sealed)"
        );
    }

    #[test]
    fn a_page_of_something_in_between_is_cut_to_a_line() {
        let page = format!("<html>\n\u{7}{}</html>", "x".repeat(10_000));
        let message = failure("sign", &answer(502, &page)).message;

        assert!(message.len() < 700 && !message.contains(char::is_control), "{message}");
    }

    #[test]
    fn how_long_to_wait_is_heard_where_it_is_told_in_seconds() {
        let mut throttled = answer(429, r#"{"errors":["rate limit quota exceeded"]}"#);
        assert_eq!(failure("sign", &throttled).retry_after, None);

        for (text, heard) in
            [("7", Some(7)), ("soon", None), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
        {
            throttled.headers.insert("retry-after", HeaderValue::from_static(text));
            assert_eq!(failure("sign", &throttled).retry_after, heard.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        for (at, (status, says, ..)) in TABLE.iter().enumerate() {
            let before = TABLE[..at].iter().find(|row| row.0 == *status && says.contains(row.1));
            assert!(before.is_none(), "{status} {says} never gets there");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_answered_the_operator_reads_a_line_of_it(answer in fuzz::refusal()) {
            crate::vault::fuzz::refused(&answer);
        }
    }
}
