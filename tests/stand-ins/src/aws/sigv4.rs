//! Checks the signature of a request: Signature Version 4, as AWS's reference of request signing has it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{constant_time, digest, hmac};

use super::refusal;
use super::users::Users;
use crate::{Answer, Asked};

/// The access key that signed the request.
pub(super) fn check(asked: &Asked, now: SystemTime, here: &str, users: &Users) -> Result<String, Answer> {
    let Some(signed) = Signed::of(asked.header("authorization")) else {
        return Err(refusal(400, "MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    let [access_key, date, region, service, "aws4_request"] = signed.scope[..] else {
        return Err(refusal(400, "IncompleteSignatureException", "Credential must have five parts"));
    };
    let Some(user) = users.get(access_key) else {
        let message = "The security token included in the request is invalid.";
        return Err(refusal(400, "UnrecognizedClientException", message));
    };
    if user.token.as_deref().unwrap_or_default() != asked.header("x-amz-security-token") {
        let message = "The security token included in the request is invalid.";
        return Err(refusal(400, "UnrecognizedClientException", message));
    }
    if user.expires.is_some_and(|expires| expires <= now) {
        let message = "The security token included in the request is expired";
        return Err(refusal(400, "ExpiredTokenException", message));
    }

    let time = asked.header("x-amz-date");
    check_time(time, now)?;
    let request = canonical(asked, &signed.headers);
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(request.as_bytes()));
    let mut key = format!("AWS4{}", user.secret).into_bytes();
    for part in [date, region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }

    let expected = hex::encode(mac(&key, to_sign.as_bytes()));
    let is_signed = constant_time::verify_slices_are_equal(expected.as_bytes(), signed.signature.as_bytes());
    if is_signed.is_err() || region != here || !time.starts_with(date) {
        let message = "The request signature we calculated does not match the signature you provided.";
        return Err(refusal(400, "InvalidSignatureException", message));
    }
    Ok(access_key.to_owned())
}

struct Signed<'a> {
    scope: Vec<&'a str>,
    headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    fn of(authorization: &'a str) -> Option<Self> {
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let part = |name: &str| rest.split(", ").find_map(|part| part.trim().strip_prefix(name));

        Some(Self {
            scope: part("Credential=")?.split('/').collect(),
            headers: part("SignedHeaders=")?.split(';').collect(),
            signature: part("Signature=")?,
        })
    }
}

/// "Create a canonical request".
fn canonical(asked: &Asked, signed: &[&str]) -> String {
    let mut headers = String::new();
    for name in signed {
        let values: Vec<_> =
            asked.headers.get_all(*name).iter().map(|value| value.to_str().unwrap().trim()).collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }

    let Asked { method, path, query, .. } = asked;
    format!("{method}\n{path}\n{query}\n{headers}\n{}\n{}", signed.join(";"), sha256(&asked.body))
}

/// A signature holds for five minutes, in both directions.
fn check_time(time: &str, now: SystemTime) -> Result<(), Answer> {
    let signed = parsed(time).unwrap();
    let refused = |what: &str| Err(refusal(400, "InvalidSignatureException", what));

    if signed + SKEW < now {
        return refused(&format!(
            "Signature expired: {time} is now earlier than the service's time less 5 min."
        ));
    }
    if signed > now + SKEW {
        return refused(&format!(
            "Signature not yet current: {time} is still later than the service's time plus 5 min."
        ));
    }
    Ok(())
}

/// `YYYYMMDDTHHMMSSZ`.
fn parsed(time: &str) -> Option<SystemTime> {
    let number = |from: usize, length: usize| time.get(from..from + length)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
    // Days since 1970-01-01 of a date of the Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(9, 2)? * 3600 + number(11, 2)? * 60 + number(13, 2)?;

    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

const SKEW: Duration = Duration::from_secs(300);
