//! Which public keys anybody may read.

use std::collections::BTreeSet;

use keyport_core::caller::Pattern;

use super::mistake::Problem;
use super::names::unique;
use super::section::Section;
use super::tenant::pattern;
use super::value::{Value, one};
use crate::contract::v1::KidForm;

/// `[tenant.jwks]`: a set of public keys, to be read without credentials at `/v1/jwks/ID`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Publication {
    /// `id`: what the set is called in its path: 1 to 64 letters, digits, - and _. No two tenants have the same.
    pub(crate) id: String,
    /// `keys`: patterns of the names of the keys that are in it. None, if it is left out.
    pub(crate) keys: Vec<Pattern>,
    /// `kid`: what its keys are told apart by.
    pub(crate) kid: KidForm,
}

impl Publication {
    pub(super) fn read(mut section: Section<'_>, taken: &mut BTreeSet<String>) -> Option<Self> {
        let id = section.required("id", "\"acme-signing-keys\"", unique(taken, id));
        let keys = section.list("keys", pattern).unwrap_or_default();
        let forms = [KidForm::Thumbprint, KidForm::SubjectKeyId];
        let kid = section.or("kid", KidForm::Thumbprint, one("a form of kid", &forms, kid));
        section.end();

        Some(Self { id: id?, keys, kid })
    }
}

fn id(value: &Value<'_>) -> Result<String, Problem> {
    let text = value.text()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text.to_owned());
    }

    let what = format!("{} is no name for a key set", value.shown());
    Err(Problem::new(what, "use 1 to 64 letters, digits, - and _"))
}

fn kid(form: &KidForm) -> &'static str {
    match form {
        KidForm::SubjectKeyId => "subject-key-id",
        KidForm::Thumbprint => "thumbprint",
    }
}
