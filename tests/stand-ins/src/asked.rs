//! Requests, read.

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request};
use percent_encoding::percent_decode_str;

/// A request, read.
#[derive(Debug)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, as it was written.
    pub path: String,
    /// What stands behind the `?`, as it was written.
    pub query: String,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body; empty where that did not come to its end.
    pub body: Bytes,
}

impl Asked {
    pub(crate) async fn read(request: Request<Incoming>) -> Self {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map(|body| body.to_bytes());

        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: body.unwrap_or_default(),
        }
    }

    /// A header field; empty where it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// A field of the body, which is a form; empty where it is not there.
    #[must_use]
    pub fn form(&self, name: &str) -> String {
        field(&String::from_utf8_lossy(&self.body), name)
    }

    /// A parameter of the query; empty where it is not there.
    #[must_use]
    pub fn parameter(&self, name: &str) -> String {
        field(&self.query, name)
    }
}

/// A field of a form (WHATWG URL, application/x-www-form-urlencoded).
fn field(form: &str, name: &str) -> String {
    let written = form.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let written = written.unwrap_or_default().replace('+', " ");

    percent_decode_str(&written).decode_utf8().unwrap().into_owned()
}

/// Bytes of a body.
const LONGEST: usize = 1 << 20;
