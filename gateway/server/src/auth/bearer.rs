//! Bearer tokens in the `Authorization` header (RFC 6750, section 2.1).

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::Denial;

/// The token that `headers` present; `None` where they present nothing.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&[u8]>, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Denial::Malformed);
    }

    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len()).ok_or(Denial::Malformed)?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME) && token.first() == Some(&b' ');
    let token = token.trim_ascii_start();
    if !is_bearer || token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Denial::Malformed);
    }

    Ok(Some(token))
}

const SCHEME: &[u8] = b"bearer";
