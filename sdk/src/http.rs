//! Requests and responses of [`Http`](crate::Http).

#[cfg(feature = "json")]
use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};

pub use crate::bindings::keyport::provider::http::{Method, Request, Response};
use crate::types::{Error, ErrorKind, Result};

impl Request {
    /// A request to this path, as the grant has it.
    #[must_use]
    pub fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new(Method::Get, path)
    }

    /// A POST.
    #[must_use]
    pub fn post(path: &str) -> Self {
        Self::new(Method::Post, path)
    }

    /// A DELETE.
    #[must_use]
    pub fn delete(path: &str) -> Self {
        Self::new(Method::Delete, path)
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sets the body to `value` as JSON, and says so in the header.
    ///
    /// # Errors
    ///
    /// [`Internal`](ErrorKind::Internal) where `value` is none of JSON's.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize>(self, value: &T) -> Result<Self> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Error::internal(format!("the request is no JSON: {error}")))?;

        Ok(self.header("content-type", "application/json").body(body))
    }
}

impl Response {
    /// The value of a header field; `name` is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether the custodian did what it was asked.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether there is no such thing, or not any more: 404 or 410.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.status, 404 | 410)
    }

    /// This response, if it is a success.
    ///
    /// # Errors
    ///
    /// What the status usually means (RFC 9110, section 15.5), with the status as code: 401 is
    /// [`Credentials`](ErrorKind::Credentials), 403 [`Denied`](ErrorKind::Denied), 404 [`NotFound`](ErrorKind::NotFound), 410
    /// [`KeyGone`](ErrorKind::KeyGone), 409 [`Exists`](ErrorKind::Exists), 429 [`Throttled`](ErrorKind::Throttled) with its
    /// Retry-After, 501 [`Unsupported`](ErrorKind::Unsupported), other 4xx [`Internal`](ErrorKind::Internal), and whatever is
    /// left [`Unavailable`](ErrorKind::Unavailable).
    pub fn success(self) -> Result<Self> {
        let kind = match self.status {
            200..=299 => return Ok(self),
            401 => ErrorKind::Credentials,
            403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Exists,
            410 => ErrorKind::KeyGone,
            429 => ErrorKind::Throttled,
            501 => ErrorKind::Unsupported,
            400..=499 => ErrorKind::Internal,
            _ => ErrorKind::Unavailable,
        };
        let seconds: Option<u32> = self.header("retry-after").and_then(|after| after.parse().ok());

        Err(Error {
            kind,
            code: self.status.into(),
            message: format!("the custodian answered {}", self.status),
            retry_after_ms: seconds.map(|seconds| seconds.saturating_mul(1000)),
        })
    }

    /// Whether what was to be destroyed is not there now: a success, and a custodian that knows no such thing.
    ///
    /// # Errors
    ///
    /// As those of [`success`](Self::success).
    pub fn gone(self) -> Result<()> {
        if self.is_missing() { Ok(()) } else { self.success().map(drop) }
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    ///
    /// [`Internal`](ErrorKind::Internal) where it is something else.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::internal(format!("the custodian's answer is not as expected: {error}")))
    }
}

/// Bytes that are base64 in JSON (RFC 4648, section 4).
#[cfg(feature = "json")]
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Base64(pub Vec<u8>);

#[cfg(feature = "json")]
impl serde::Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

#[cfg(feature = "json")]
impl<'de> serde::Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;

        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &[(&str, &str)]) -> Result<Response> {
        let field = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());

        Response { status, headers: headers.iter().map(field).collect(), body: Vec::new() }.success()
    }

    #[test]
    fn a_status_becomes_the_error_it_usually_means() {
        assert_eq!(answered(204, &[]).unwrap().status, 204);
        for (status, kind) in [
            (302, ErrorKind::Unavailable),
            (400, ErrorKind::Internal),
            (401, ErrorKind::Credentials),
            (403, ErrorKind::Denied),
            (404, ErrorKind::NotFound),
            (409, ErrorKind::Exists),
            (410, ErrorKind::KeyGone),
            (501, ErrorKind::Unsupported),
            (503, ErrorKind::Unavailable),
        ] {
            let error = answered(status, &[]).unwrap_err();
            assert_eq!((error.kind, error.code), (kind, u32::from(status)));
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn bytes_are_base64_in_json() {
        let request = Request::post("/").json(&Base64(vec![0xfb, 0xff])).unwrap();
        assert_eq!(request.body, br#""+/8=""#);

        let response = |body: &str| Response { status: 200, headers: Vec::new(), body: body.into() };
        assert_eq!(response(r#""+/8=""#).json::<Base64>().unwrap().0, [0xfb, 0xff]);
        assert!(response(r#""-_8""#).json::<Base64>().is_err());
        assert!(response("").json::<Base64>().is_err());
    }

    #[test]
    fn what_is_not_there_counts_as_gone() {
        let gone = |status| Response { status, headers: Vec::new(), body: Vec::new() }.gone().is_ok();

        assert!(gone(204) && gone(404) && gone(410));
        assert!(!gone(403) && !gone(503));
    }

    #[test]
    fn a_throttled_custodian_says_when_to_come_back() {
        let error = answered(429, &[("retry-after", "7")]).unwrap_err();

        assert_eq!((error.kind, error.retry_after_ms), (ErrorKind::Throttled, Some(7000)));
        assert_eq!(
            answered(429, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")]).unwrap_err().retry_after_ms,
            None
        );
    }
}
