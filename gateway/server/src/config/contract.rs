//! Which wire APIs are served, and where.

use keyport_core::gateway::OnDuplicate;

use super::mistake::Problem;
use super::section::Section;
use super::value::{Value, one};

/// `[contract]`: the wire APIs that are served. At least one.
#[derive(Clone, Debug)]
pub(crate) struct Contracts {
    /// `webhook`: the SPIRL / Defakto Key Manager Extension.
    pub(crate) webhook: Option<Webhook>,
}

/// `[contract.webhook]`.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    /// `path`: what its endpoints' paths begin with.
    pub(crate) path: String,
    /// `on-duplicate`: what creating a key does whose name is taken.
    pub(crate) on_duplicate: OnDuplicate,
}

impl Contracts {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let webhook = section.table("webhook").map(Webhook::read);
        if webhook.is_none() && !section.has("webhook") {
            section.mistake(Problem::new("no contract is served", "add [contract.webhook]"));
        }
        section.end();
        Self { webhook }
    }
}

impl Webhook {
    fn read(mut section: Section<'_>) -> Self {
        let kinds = [OnDuplicate::Replace, OnDuplicate::Return, OnDuplicate::Conflict];
        let webhook = Self {
            path: section.or("path", "/webhook".to_owned(), prefix),
            on_duplicate: section.or(
                "on-duplicate",
                OnDuplicate::Replace,
                one("a choice", &kinds, on_duplicate),
            ),
        };
        section.end();
        webhook
    }
}

/// A path that others are appended to: `/` and unreserved characters (RFC 3986, section 2.3), no `/` at its end.
fn prefix(value: &Value<'_>) -> Result<String, Problem> {
    let text = value.text()?;
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    match text.strip_prefix('/') {
        Some(segments) if segments.split('/').all(is_segment) => Ok(text.to_owned()),
        Some(_) | None => Err(Problem::new(
            format!("{} is not a path for a contract", value.shown()),
            "begin it with /, end it without, and use letters, digits and - . _ ~ between",
        )),
    }
}

fn on_duplicate(on_duplicate: &OnDuplicate) -> &'static str {
    match on_duplicate {
        OnDuplicate::Replace => "replace",
        OnDuplicate::Return => "return",
        OnDuplicate::Conflict => "conflict",
    }
}
