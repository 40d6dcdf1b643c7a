//! Answers, and how they go wrong on their way.

use std::io;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::http::request::Parts;
use serde_json::{Value, json};

pub(super) type Sent = UnsyncBoxBody<Bytes, io::Error>;

/// A status and a body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) retry_after: Option<u32>,
}

impl Answer {
    pub(crate) fn ok(body: &Value) -> Self {
        Self::of(200, body.to_string())
    }

    pub(crate) fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), retry_after: None }
    }

    /// A refusal in the words of the JSON protocol.
    pub(crate) fn refusal(status: u16, name: &str, message: &str) -> Self {
        Self::of(status, json!({ "__type": name, "message": message }).to_string())
    }

    pub(super) fn altered(mut self, alter: fn(&mut Value)) -> Self {
        let mut body = serde_json::from_slice(&self.body).unwrap();
        alter(&mut body);
        self.body = body.to_string().into_bytes();
        self
    }

    pub(super) fn whole(self) -> Response<Sent> {
        let body = Full::new(Bytes::from(self.body.clone())).map_err(|never| match never {});

        self.head().body(body.boxed_unsync()).unwrap()
    }

    /// The first half of it, and then the connection ends.
    pub(super) fn torn(self) -> Response<Sent> {
        let half = Bytes::copy_from_slice(&self.body[..self.body.len() / 2]);
        let parts = [Ok(Frame::data(half)), Err(io::ErrorKind::ConnectionReset.into())];
        let length = self.body.len();

        let head = self.head().header("content-length", length);
        head.body(StreamBody::new(stream::iter(parts)).boxed_unsync()).unwrap()
    }

    fn head(&self) -> hyper::http::response::Builder {
        let head =
            Response::builder().status(self.status).header("content-type", "application/x-amz-json-1.1");

        match self.retry_after {
            Some(seconds) => head.header("retry-after", seconds),
            None => head,
        }
    }
}

/// What is asked for: the target of the JSON protocol, or the action of a form.
pub(super) fn operation(head: &Parts, body: &[u8]) -> String {
    match head.headers.get("x-amz-target") {
        Some(target) => target.to_str().unwrap().rsplit('.').next().unwrap().to_owned(),
        None => field(body, "Action").unwrap_or_default(),
    }
}

/// A field of a form.
pub(super) fn field(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let value = text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;

    Some(percent_encoding::percent_decode_str(&value.replace('+', " ")).decode_utf8().ok()?.into_owned())
}
