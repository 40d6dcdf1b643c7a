//! What every error of the service means for a caller: one table, each row with its reason.
//!
//! Callers never see the service's word; logs do, with what the service says besides, which names permissions and keys.

use std::error::Error;
use std::time::Duration;

use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use keyport_core::{Failure, FailureKind};

use crate::cloud::said;

/// An error's row.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// The service's word.
    pub name: &'static str,
    /// What callers are told.
    pub kind: FailureKind,
    /// Why, and what to do.
    pub why: &'static str,
}

/// The name of the error that a failure has as its code; `None` where it is none of the service's.
#[must_use]
pub fn name_of(code: u32) -> Option<&'static str> {
    let row = usize::try_from(code).ok()?.checked_sub(1)?;

    TABLE.get(row).map(|meaning| meaning.name)
}

/// What a call ended with.
pub(super) fn failure<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(told) => {
            let (status, message) = (told.raw().status().as_u16(), told.err().message().unwrap_or_default());
            let failure = meant(told.err().code().unwrap_or_default(), status, message);
            Failure { retry_after: retry_after(told.raw()), ..failure }
        }
        // What is no answer of the service's own, such as a proxy's.
        SdkError::ResponseError(garbage) if !garbage.raw().status().is_success() => {
            meant("in words that are not its own", garbage.raw().status().as_u16(), &causes(error))
        }
        SdkError::ResponseError(_) => Failure::new(
            FailureKind::Internal,
            format!("the service's answer cannot be read{}", causes(error)),
        ),
        SdkError::TimeoutError(_) => {
            Failure::new(FailureKind::Unavailable, format!("no answer in time{}", causes(error)))
        }
        // What the wire and the credentials say lies among the causes; otherwise the request could not be made.
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) | _ => {
            within(error).unwrap_or_else(|| {
                Failure::new(FailureKind::Internal, format!("the request was not sent{}", causes(error)))
            })
        }
    }
}

/// What an error of this name means.
pub(super) fn meant(name: &str, status: u16, message: &str) -> Failure {
    let (name, message) = (&*said(name), &*said(unrepeated(message)));
    if is_about_time(name, message) {
        return coded(name, FailureKind::Credentials, format!("{name}: {CLOCK}: {message}"));
    }
    if let Some(meaning) = TABLE.iter().find(|meaning| meaning.name == name) {
        return coded(name, meaning.kind, format!("{name}: {}: {message}", meaning.why));
    }

    let kind = match status {
        // An answer that is none.
        200..300 => FailureKind::Internal,
        429 => FailureKind::Throttled,
        401 | 403 => FailureKind::Denied,
        500.. => FailureKind::Unavailable,
        _ => FailureKind::Other,
    };
    Failure::new(kind, format!("the service answered {status} {name}: {message}"))
}

/// The failure among the causes of an error.
pub(super) fn within(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Some(failure.clone());
        }
        cause = error.source();
    }

    None
}

/// What caused an error, for the operator.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }

    said(unrepeated(&text))
}

/// What a service says of a signature that is wrong, without the request that it repeats then: there may be a session's token in
/// its header fields.
fn unrepeated(message: &str) -> &str {
    message.split_once("The Canonical String").map_or(message, |(before, _)| before)
}

/// Signatures of requests hold for minutes: where the service says that one is too old or too new, the clocks differ.
fn is_about_time(name: &str, message: &str) -> bool {
    let is_signature = name.starts_with("InvalidSignature") || name.starts_with("SignatureDoesNotMatch");

    is_signature && ["expired", "not yet current"].iter().any(|word| message.contains(word))
}

fn coded(name: &str, kind: FailureKind, message: String) -> Failure {
    let row = TABLE.iter().position(|meaning| meaning.name == name);
    let code = row.and_then(|row| u32::try_from(row + 1).ok()).unwrap_or_default();

    Failure { code, ..Failure::new(kind, message) }
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    response.headers().get("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

const fn row(name: &'static str, kind: FailureKind, why: &'static str) -> Meaning {
    Meaning { name, kind, why }
}

const CLOCK: &str = "this machine's clock and the service's differ by more than five minutes: set the clock";
const BUSY: &str = "the service has too many requests, this account's or all together";
const DOWN: &str = "the service has a fault of its own, which passes";
const KEY: &str = "the service does not know the access key: it is wrong, deleted or inactive, or the region is not enabled for the account";
const PERMISSION: &str = "a policy does not allow it; the role needs what the message names, and the key's policy must let the account's policies decide";
const EXPIRED: &str = "the credentials have expired: see that whatever renews them does";
const SECRET: &str = "the request is signed with another secret than the access key's";
const TOKEN: &str =
    "the identity provider's token is not taken: see that the role trusts it, and that the file is renewed";

/// In order of their names. Codes are places in this table; metrics go by the names.
pub(super) const TABLE: [Meaning; 48] = [
    row("AccessDenied", FailureKind::Denied, PERMISSION),
    row("AccessDeniedException", FailureKind::Denied, PERMISSION),
    row("AlreadyExistsException", FailureKind::Exists, "there is one of that name"),
    row("ConflictException", FailureKind::Unavailable, "something else is being done with the key"),
    row("ConstraintViolationException", FailureKind::InvalidArgument, "a limit of the tagging service"),
    row("DependencyTimeoutException", FailureKind::Unavailable, DOWN),
    row("DisabledException", FailureKind::KeyGone, "the key is disabled: enable it if that was a mistake"),
    row("ExpiredToken", FailureKind::Credentials, EXPIRED),
    row("ExpiredTokenException", FailureKind::Credentials, EXPIRED),
    row(
        "IDPCommunicationError",
        FailureKind::Unavailable,
        "the identity provider did not answer the service",
    ),
    row("IDPRejectedClaim", FailureKind::Credentials, TOKEN),
    row(
        "IncompleteSignature",
        FailureKind::Credentials,
        "the request was changed on its way, or has no signature",
    ),
    row(
        "IncompleteSignatureException",
        FailureKind::Credentials,
        "the request was changed on its way, or has no signature",
    ),
    row("InternalFailure", FailureKind::Unavailable, DOWN),
    row("InternalServiceException", FailureKind::Unavailable, DOWN),
    row("InvalidAliasNameException", FailureKind::InvalidArgument, "no alias can be called that"),
    row(
        "InvalidArnException",
        FailureKind::InvalidArgument,
        "no such name in this region: write a key's ARN, its id or alias/…",
    ),
    row("InvalidClientTokenId", FailureKind::Credentials, KEY),
    row("InvalidIdentityToken", FailureKind::Credentials, TOKEN),
    row(
        "InvalidKeyUsageException",
        FailureKind::InvalidArgument,
        "the key is not for that: another use, type or algorithm",
    ),
    row("InvalidSignatureException", FailureKind::Credentials, SECRET),
    row("KMSInternalException", FailureKind::Unavailable, DOWN),
    row(
        "KMSInvalidStateException",
        FailureKind::KeyGone,
        "the key is disabled, or scheduled for deletion: enable it, or cancel the deletion, if that was a mistake",
    ),
    row("KeyUnavailableException", FailureKind::Unavailable, "the key cannot be used just now"),
    row(
        "LimitExceededException",
        FailureKind::OperatorNeeded,
        "a quota of the account is reached, such as its keys: have it raised, or delete keys",
    ),
    row("MalformedPolicyDocumentException", FailureKind::OperatorNeeded, "the key's policy is none"),
    row("MissingAuthenticationToken", FailureKind::Credentials, "the request has no signature"),
    row("MissingAuthenticationTokenException", FailureKind::Credentials, "the request has no signature"),
    row("NotAuthorized", FailureKind::Denied, PERMISSION),
    row("NotFoundException", FailureKind::NotFound, "there is no such key in this region and account"),
    row("OptInRequired", FailureKind::OperatorNeeded, "the account is not subscribed to the service"),
    row("PriorRequestNotComplete", FailureKind::Throttled, BUSY),
    row(
        "RegionDisabledException",
        FailureKind::OperatorNeeded,
        "the region is not enabled for tokens: enable it in the account's settings",
    ),
    row("RequestExpired", FailureKind::Credentials, CLOCK),
    row("RequestLimitExceeded", FailureKind::Throttled, BUSY),
    row("RequestThrottled", FailureKind::Throttled, BUSY),
    row("RequestThrottledException", FailureKind::Throttled, BUSY),
    row("ServiceUnavailable", FailureKind::Unavailable, DOWN),
    row("ServiceUnavailableException", FailureKind::Unavailable, DOWN),
    row("SignatureDoesNotMatch", FailureKind::Credentials, SECRET),
    row("TagException", FailureKind::InvalidArgument, "the tags are none that the service takes"),
    row("ThrottledException", FailureKind::Throttled, BUSY),
    row("Throttling", FailureKind::Throttled, BUSY),
    row("ThrottlingException", FailureKind::Throttled, BUSY),
    row("TooManyRequestsException", FailureKind::Throttled, BUSY),
    row("UnrecognizedClientException", FailureKind::Credentials, KEY),
    row(
        "UnsupportedOperationException",
        FailureKind::Unsupported,
        "the service does not do that with such a key",
    ),
    row("ValidationException", FailureKind::InvalidArgument, "the service does not take the request"),
];

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::error::CredentialsError;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::aws::fuzz;
    use crate::cloud;

    #[test]
    fn every_row_is_found_by_its_code_and_says_why() {
        for meaning in TABLE {
            let failure = meant(meaning.name, 400, "so it is");

            assert_eq!((name_of(failure.code), failure.kind), (Some(meaning.name), meaning.kind));
            assert!(
                failure.message.contains(meaning.why) && failure.message.ends_with("so it is"),
                "{failure}"
            );
        }
        assert!(TABLE.is_sorted_by(|one, other| one.name < other.name));
        assert_eq!([0, 49].map(name_of), [None; 2]);
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_from_a_secret_that_is() {
        let late = meant(
            "InvalidSignatureException",
            403,
            "Signature expired: 20261120T000000Z is now earlier than …",
        );
        let wrong =
            meant("InvalidSignatureException", 403, "The request signature we calculated does not match …");

        assert!(late.kind == FailureKind::Credentials && late.message.contains("set the clock"), "{late}");
        assert!(
            wrong.kind == FailureKind::Credentials && wrong.message.contains("another secret"),
            "{wrong}"
        );
    }

    #[test]
    fn a_request_that_the_service_repeats_is_not() {
        let message = "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for \
                       this request should have been\n'POST\n/\n\nhost:kms.eu-central-1.amazonaws.com\nx-amz-security-token:IQoJ'";
        let provider = CredentialsError::provider_error(message);

        for name in ["SignatureDoesNotMatch", "InvalidSignatureException", "NewException"] {
            let failure = meant(name, 403, message);
            assert!(failure.message.ends_with("the signature you provided."), "{failure}");
        }
        assert_eq!(
            causes(&provider),
            ": The request signature we calculated does not match the signature you provided."
        );
    }

    #[test]
    fn what_is_said_in_many_lines_is_cut_to_one() {
        let page = format!("<html>\n\u{1b}[31m{}</html>", "x".repeat(10_000));

        for name in ["AccessDenied", "No\nSuch\nException"] {
            let failure = meant(name, 502, &page);
            assert!(failure.message.contains("<html> [31mxxx"), "{failure}");
            cloud::fuzz::told(&failure);
        }
    }

    #[test]
    fn what_is_not_in_the_table_goes_by_its_status() {
        for (status, kind) in [
            (429, FailureKind::Throttled),
            (403, FailureKind::Denied),
            (503, FailureKind::Unavailable),
            (400, FailureKind::Other),
        ] {
            assert_eq!(
                (meant("NewException", status, "").kind, meant("NewException", status, "").code),
                (kind, 0)
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_answered_the_operator_reads_a_line_of_it(
            row in proptest::option::of(select(TABLE.to_vec())),
            name in "(\\PC|\\s|\u{1b}){0,40}",
            message in "(\\PC|\\s|\u{1b}){0,900}",
        ) {
            fuzz::refused(row.map_or(&name, |row| row.name), &message);
        }
    }
}
