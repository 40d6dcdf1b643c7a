//! JSON bodies, in and out; what is wrong with one that came in is told by field.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use keyport_core::{Error, Result};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

/// Reads a body that must be a JSON object.
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    // A derived struct would also take an array, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::invalid("body", "must be a JSON object"));
    }

    serde_json::from_slice(body).map_err(|error| {
        let reason = match error.classify() {
            Category::Data => error.to_string(),
            Category::Eof | Category::Io | Category::Syntax => format!("is not JSON: {error}"),
        };
        Error::invalid("body", reason)
    })
}

/// A response with a JSON body.
pub(crate) fn response(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    let mut bytes = Vec::with_capacity(512);
    let status = match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => status,
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            bytes.clear();
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };

    let mut response = Response::new(Full::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What a field that should be text turned out to be. It is not printed: the text may be a secret.
#[derive(Default)]
pub(crate) enum Field<'a> {
    /// Not there.
    #[default]
    Missing,
    /// Something else.
    Other(&'static str),
    /// Text.
    Text(Cow<'a, str>),
}

impl Field<'_> {
    /// The text. `field` is the field's name.
    pub(crate) fn text(&self, field: &'static str) -> Result<&str> {
        match self {
            Self::Missing => Err(Error::invalid(field, "is missing")),
            Self::Other(kind) => Err(Error::invalid(field, format!("must be a string, not {kind}"))),
            Self::Text(text) => Ok(text),
        }
    }

    /// The text, if the field is there.
    pub(crate) fn optional(&self, field: &'static str) -> Result<Option<&str>> {
        match self {
            Self::Missing => Ok(None),
            Self::Other(_) | Self::Text(_) => self.text(field).map(Some),
        }
    }
}

/// What a field that should be an object turned out to be.
#[derive(Default)]
pub(crate) enum Object<T> {
    /// Not there.
    #[default]
    Missing,
    /// Something else.
    Other(&'static str),
    /// An object.
    Fields(T),
}

impl<T> Object<T> {
    /// The object. `field` is the field's name.
    pub(crate) fn fields(self, field: &'static str) -> Result<T> {
        match self {
            Self::Missing => Err(Error::invalid(field, "is missing")),
            Self::Other(kind) => Err(Error::invalid(field, format!("must be an object, not {kind}"))),
            Self::Fields(fields) => Ok(fields),
        }
    }
}

/// What a field that should be a list turned out to be.
#[derive(Default)]
pub(crate) enum List<T> {
    /// Not there.
    #[default]
    Missing,
    /// Something else.
    Other(&'static str),
    /// A list.
    Elements(Vec<T>),
}

impl<T> List<T> {
    /// The elements, if the field is there. `field` is its name.
    pub(crate) fn optional(self, field: &'static str) -> Result<Option<Vec<T>>> {
        match self {
            Self::Missing => Ok(None),
            Self::Other(kind) => Err(Error::invalid(field, format!("must be a list, not {kind}"))),
            Self::Elements(elements) => Ok(Some(elements)),
        }
    }
}

/// Something that is read from any JSON value, so that serde's own errors, which repeat the value, never arise.
trait Shape<'de>: Sized {
    fn other(kind: &'static str) -> Self;

    fn text(_: Cow<'de, str>) -> Self {
        Self::other("a string")
    }

    fn array<A: SeqAccess<'de>>(mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other("an array"))
    }

    fn object<A: MapAccess<'de>>(mut fields: A) -> Result<Self, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::other("an object"))
    }
}

impl<'de: 'a, 'a> Shape<'de> for Field<'a> {
    fn other(kind: &'static str) -> Self {
        Self::Other(kind)
    }

    fn text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for Object<T> {
    fn other(kind: &'static str) -> Self {
        Self::Other(kind)
    }

    fn object<A: MapAccess<'de>>(fields: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Self::Fields)
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for List<T> {
    fn other(kind: &'static str) -> Self {
        Self::Other(kind)
    }

    fn array<A: SeqAccess<'de>>(mut elements: A) -> Result<Self, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Self::Elements(list))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

struct Any<S>(PhantomData<S>);

impl<'de, S: Shape<'de>> Visitor<'de> for Any<S> {
    type Value = S;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<S, E> {
        Ok(S::text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<S, E> {
        Ok(S::text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<S, E> {
        Ok(S::other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<S, E> {
        Ok(S::other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<S, E> {
        Ok(S::other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<S, E> {
        Ok(S::other("a number"))
    }

    fn visit_unit<E>(self) -> Result<S, E> {
        Ok(S::other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<S, A::Error> {
        S::array(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<S, A::Error> {
        S::object(fields)
    }
}
