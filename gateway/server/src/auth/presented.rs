//! The token a request presents: in `Authorization` (RFC 6750, section 2.1) or in `x-api-key`.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName};

use super::Denial;

/// The token that `headers` present, once and in one place; `None` where they present nothing.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&[u8]>, Denial> {
    let bearer = only(headers, &AUTHORIZATION)?.map(bearer).transpose()?;
    let api_key = only(headers, &API_KEY)?;
    let token = match (bearer, api_key) {
        (Some(_), Some(_)) => return Err(Denial::Malformed),
        (Some(token), None) | (None, Some(token)) => token,
        (None, None) => return Ok(None),
    };
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Denial::Malformed);
    }

    Ok(Some(token))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Denial> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.as_bytes());

    if values.next().is_some() { Err(Denial::Malformed) } else { Ok(value) }
}

fn bearer(value: &[u8]) -> Result<&[u8], Denial> {
    let (scheme, token) = value.split_at_checked(SCHEME.len()).ok_or(Denial::Malformed)?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME) && token.first() == Some(&b' ');

    if is_bearer { Ok(token.trim_ascii_start()) } else { Err(Denial::Malformed) }
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SCHEME: &[u8] = b"bearer";
