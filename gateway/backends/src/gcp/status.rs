//! What every error of Google's means for a caller, and what an operator should do: one table, each row with its reason.

use std::time::{Duration, SystemTime};

use keyport_core::outside::Timestamp;
use keyport_core::{Failure, FailureKind};

use super::wire::{Reason, Refused};
use crate::cloud::said;
use crate::http::exchange::Whole;

/// What the answer of a refused call means; `now` is what this machine's clock says.
pub(super) fn failure(answer: &Whole, now: Timestamp) -> Failure {
    let refused: Option<Refused> = serde_json::from_slice(&answer.body).ok();
    let known = refused.and_then(|refused| Some((row_of(&refused.error.status)?, refused.error)));
    let Some((row, reason)) = known else { return by_status(answer, now) };

    let info = reason.details.iter().find_map(|detail| detail.reason.as_deref()).unwrap_or_default();
    let info = if info.is_empty() { String::new() } else { format!(" ({})", said(info)) };
    let skew = if row.kind == FailureKind::Credentials { skew(answer, now) } else { String::new() };
    let message = format!("{}{info}: {} Google says: {}{skew}", row.name, row.why, said(&reason.message));
    Failure {
        code: row.code,
        retry_after: retry_after(answer, &reason, now),
        ..Failure::new(row.kind, message)
    }
}

/// Google's name of the code.
pub(super) fn name_of(code: u32) -> Option<&'static str> {
    TABLE.iter().find(|row| row.code == code).map(|row| row.name)
}

/// A row of `google.rpc.Code`.
struct Row {
    name: &'static str,
    code: u32,
    kind: FailureKind,
    why: &'static str,
}

fn row_of(status: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == status)
}

/// Who answers without Google's words is something before it: a proxy, a balancer, another server. Then nothing is known of any
/// key, so that a page that was not found is no key that is not there.
fn by_status(answer: &Whole, now: Timestamp) -> Failure {
    let (kind, code, why) = match answer.status {
        401 => (FailureKind::Credentials, 16, "the credentials were not taken"),
        403 => (FailureKind::Denied, 7, "it was forbidden"),
        429 => (FailureKind::Throttled, 8, "there are too many calls"),
        408 | 500.. => (FailureKind::Unavailable, 14, "it does not serve now"),
        _ => (FailureKind::Internal, 2, "is `endpoint` Google's?"),
    };
    let message = format!("an answer of status {} without Google's words for an error: {why}", answer.status);

    let retry_after = header_delay(answer, now);
    Failure { code, retry_after, ..Failure::new(kind, message) }
}

/// How long to wait: what the details say, or the header.
fn retry_after(answer: &Whole, reason: &Reason, now: Timestamp) -> Option<Duration> {
    let detail = reason.details.iter().find_map(|detail| detail.retry_delay.as_deref());
    let seconds = detail.and_then(|delay| delay.strip_suffix('s')?.parse().ok());

    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| header_delay(answer, now))
}

/// `Retry-After` (RFC 9110, section 10.2.3).
fn header_delay(answer: &Whole, now: Timestamp) -> Option<Duration> {
    let text = answer.headers.get("retry-after")?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }

    httpdate::parse_http_date(text).ok()?.duration_since(now.system_time()).ok()
}

/// What to say of the clocks, where they differ so much that a token may have been refused for it.
fn skew(answer: &Whole, now: Timestamp) -> String {
    let date = answer.headers.get("date").and_then(|date| date.to_str().ok());
    let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return String::new() };
    let apart = apart(date, now.system_time());
    if apart < SKEW {
        return String::new();
    }

    format!("; this machine's clock and Google's are {} s apart: mend the clock", apart.as_secs())
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).or_else(|_| other.duration_since(one)).unwrap_or_default()
}

const fn row(name: &'static str, code: u32, kind: FailureKind, why: &'static str) -> Row {
    Row { name, code, kind, why }
}

/// `google.rpc.Code`, all of it.
const TABLE: [Row; 17] = [
    row("OK", 0, FailureKind::Internal, "an error that is none."),
    row("CANCELLED", 1, FailureKind::Unavailable, "something on the way gave up."),
    row("UNKNOWN", 2, FailureKind::Unavailable, "Google had a mishap."),
    row("INVALID_ARGUMENT", 3, FailureKind::InvalidArgument, "Google does not take the request as it is."),
    row("DEADLINE_EXCEEDED", 4, FailureKind::Unavailable, "Google took too long."),
    row("NOT_FOUND", 5, FailureKind::NotFound, "there is no such key or key ring."),
    row("ALREADY_EXISTS", 6, FailureKind::Exists, "there is a key of this name."),
    row(
        "PERMISSION_DENIED",
        7,
        FailureKind::Denied,
        "the gateway's role lacks a permission on the key ring, or the API or its billing is off.",
    ),
    row("RESOURCE_EXHAUSTED", 8, FailureKind::Throttled, "a quota of the project is spent."),
    row("FAILED_PRECONDITION", 9, FailureKind::KeyGone, "the key is not enabled: disabled, or destroyed."),
    row("ABORTED", 10, FailureKind::Unavailable, "another change came first."),
    row("OUT_OF_RANGE", 11, FailureKind::InvalidArgument, "Google does not take the request as it is."),
    row("UNIMPLEMENTED", 12, FailureKind::Unsupported, "Google does not offer this here."),
    row("INTERNAL", 13, FailureKind::Unavailable, "Google had a mishap."),
    row("UNAVAILABLE", 14, FailureKind::Unavailable, "Google does not serve now."),
    row("DATA_LOSS", 15, FailureKind::Unavailable, "Google had a mishap."),
    row(
        "UNAUTHENTICATED",
        16,
        FailureKind::Credentials,
        "the credentials are missing, wrong, expired or revoked: see `credentials`.",
    ),
];

/// What clocks may differ by before it is worth a word.
const SKEW: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;
    use crate::cloud::fuzz;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Whole {
        let fields =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));

        Whole { status, headers: fields.collect::<HeaderMap>(), body: body.as_bytes().to_vec() }
    }

    fn google(status: &str, more: &str) -> String {
        format!(r#"{{"error":{{"code":400,"message":"so it is","status":"{status}"{more}}}}}"#)
    }

    /// 1994-11-06T08:49:37Z.
    const NOW: Timestamp = Timestamp(784_111_777_000);

    #[test]
    fn the_table_has_every_code_in_its_place() {
        for (code, row) in (0..).zip(&TABLE) {
            assert_eq!((row.code, name_of(code)), (code, Some(row.name)));
        }
    }

    #[test]
    fn a_failure_has_googles_code_and_words() {
        let info = r#","details":[{"@type":"x"},{"reason":"SERVICE_DISABLED"}]"#;
        let failure = failure(&answer(403, &[], &google("PERMISSION_DENIED", info)), NOW);

        assert_eq!((failure.kind, failure.code), (FailureKind::Denied, 7));
        assert!(failure.message.starts_with("PERMISSION_DENIED (SERVICE_DISABLED)"), "{failure}");
        assert!(failure.message.ends_with("Google says: so it is"), "{failure}");
    }

    #[test]
    fn a_reason_of_many_lines_is_cut_to_one() {
        let info = format!(r#","details":[{{"reason":"so\nbe\u001bit{}"}}]"#, "x".repeat(10_000));
        let failure = failure(&answer(403, &[], &google("PERMISSION_DENIED", &info)), NOW);

        assert!(failure.message.starts_with("PERMISSION_DENIED (so be itxx"), "{failure}");
        fuzz::told(&failure);
    }

    #[test]
    fn how_long_to_wait_is_said_in_three_ways() {
        let wait = |headers: &[_], more| {
            failure(&answer(429, headers, &google("RESOURCE_EXHAUSTED", more)), NOW).retry_after
        };

        assert_eq!(wait(&[], ""), None);
        assert_eq!(wait(&[], r#","details":[{"retryDelay":"3.5s"}]"#), Some(Duration::from_millis(3500)));
        assert_eq!(wait(&[("retry-after", "7")], ""), Some(Duration::from_secs(7)));
        let date = [("retry-after", "Sun, 06 Nov 1994 08:49:42 GMT")];
        assert_eq!(wait(&date, ""), Some(Duration::from_secs(5)));
        assert_eq!(wait(&[("retry-after", "soon")], r#","details":[{"retryDelay":"-1s"}]"#), None);
    }

    #[test]
    fn how_long_to_wait_is_heard_of_whoever_is_before_google() {
        for (field, wait) in [("7", 7), ("Sun, 06 Nov 1994 08:49:42 GMT", 5)] {
            for status in [429, 503] {
                let told = failure(&answer(status, &[("retry-after", field)], "<html>"), NOW);

                assert_eq!(told.retry_after, Some(Duration::from_secs(wait)), "{told}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_named_where_credentials_are_refused() {
        let late = [("date", "Sun, 06 Nov 1994 09:49:37 GMT")];
        let right = [("date", "Sun, 06 Nov 1994 08:49:38 GMT")];
        let message =
            |headers: &[_], status| failure(&answer(401, headers, &google(status, "")), NOW).message;

        assert!(message(&late, "UNAUTHENTICATED").contains("3600 s apart: mend the clock"));
        assert!(!message(&right, "UNAUTHENTICATED").contains("clock"));
        assert!(!message(&late, "PERMISSION_DENIED").contains("clock"));
    }

    #[test]
    fn a_page_that_is_not_googles_says_nothing_of_keys() {
        for (status, kind) in [
            (302, FailureKind::Internal),
            (401, FailureKind::Credentials),
            (404, FailureKind::Internal),
            (429, FailureKind::Throttled),
            (502, FailureKind::Unavailable),
        ] {
            for body in ["", "<html>", "{}", r#"{"error":"x"}"#, &google("NO_SUCH_STATUS", "")] {
                assert_eq!(failure(&answer(status, &[], body), NOW).kind, kind, "{status} {body}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_answered_the_operator_reads_a_line_of_it(answer in fuzz::refusal()) {
            crate::gcp::fuzz::refused(&answer);
        }
    }
}
