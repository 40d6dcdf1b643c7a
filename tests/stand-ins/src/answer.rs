//! Answers, and how they go wrong on their way.

use std::io;

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::http::response::Builder;
use serde_json::Value;

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// A status, header fields and a body, which is JSON unless a field says otherwise.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// This status and this body.
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// This status and this JSON.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::of(status, body.to_string())
    }

    /// The same, with one more header field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn altered(mut self, alter: fn(&mut Value)) -> Self {
        let mut body = serde_json::from_slice(&self.body).unwrap();
        alter(&mut body);
        self.body = body.to_string().into_bytes();
        self
    }

    pub(crate) fn whole(self) -> Response<Body> {
        let head = self.head();

        head.body(Full::from(self.body).map_err(|never| match never {}).boxed()).unwrap()
    }

    /// The first half of it, and then the connection ends.
    pub(crate) fn cut(self) -> Response<Body> {
        let half = Bytes::copy_from_slice(&self.body[..self.body.len() / 2]);
        let parts = [Ok(Frame::data(half)), Err(io::ErrorKind::ConnectionReset.into())];

        let head = self.head().header("content-length", self.body.len());
        head.body(BodyExt::boxed(StreamBody::new(stream::iter(parts)))).unwrap()
    }

    fn head(&self) -> Builder {
        let head = Response::builder().status(self.status);
        let is_json = self.headers.iter().all(|(name, _)| *name != "content-type");
        let head = if is_json { head.header("content-type", "application/json") } else { head };

        self.headers.iter().fold(head, |head, (name, value)| head.header(*name, value))
    }
}

/// JSON, or a status with JSON.
impl From<Result<Value, (u16, Value)>> for Answer {
    fn from(outcome: Result<Value, (u16, Value)>) -> Self {
        let (status, body) = outcome.map_or_else(|refused| refused, |body| (200, body));

        Self::json(status, &body)
    }
}
