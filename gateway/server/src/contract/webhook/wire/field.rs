//! Text fields of a JSON object, whose mistakes are told by name.

use std::borrow::Cow;
use std::fmt;

use keyport_core::{Error, Result};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

/// Reads a body that must be a JSON object.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
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

/// What a field that should be text turned out to be.
#[derive(Debug, Default)]
pub(super) enum Field<'a> {
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
    pub(super) fn text(&self, field: &'static str) -> Result<&str> {
        match self {
            Self::Missing => Err(Error::invalid(field, "is missing")),
            Self::Other(kind) => Err(Error::invalid(field, format!("must be a string, not {kind}"))),
            Self::Text(text) => Ok(text),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kind)
    }
}

struct Kind;

impl<'de> Visitor<'de> for Kind {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Field<'de>, E> {
        Ok(Field::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other("a number"))
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Field<'de>, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Field<'de>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other("an object"))
    }
}
