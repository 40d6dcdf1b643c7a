//! Which wire APIs are served, and where.

use std::collections::BTreeSet;
use std::time::Duration;

use keyport_core::gateway::OnDuplicate;

use super::mistake::Problem;
use super::section::Section;
use super::value::{Value, duration_or_none, one};

/// `[contract]`: the wire APIs that are served. At least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Contracts {
    /// `remote-kms`: the remote key service that EUDIPLO's HTTP provider calls.
    pub(crate) remote_kms: Option<RemoteKms>,
    /// `v1`: the gateway's own.
    pub(crate) v1: Option<V1>,
    /// `webhook`: the SPIRL / Defakto Key Manager Extension.
    pub(crate) webhook: Option<Webhook>,
}

/// `[contract.remote-kms]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RemoteKms {
    /// `path`: what its endpoints' paths begin with.
    pub(crate) path: String,
    /// `on-duplicate`: what creating or importing a key does whose name is taken.
    pub(crate) on_duplicate: OnDuplicate,
    /// `grace`: how long a deleted key is kept before it is destroyed.
    pub(crate) grace: Duration,
}

/// `[contract.v1]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct V1 {
    /// `path`: what its endpoints' paths begin with.
    pub(crate) path: String,
    /// `grace`: how long a deleted key is kept before it is destroyed.
    pub(crate) grace: Duration,
}

/// `[contract.webhook]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Webhook {
    /// `path`: what its endpoints' paths begin with.
    pub(crate) path: String,
    /// `on-duplicate`: what creating a key does whose name is taken.
    pub(crate) on_duplicate: OnDuplicate,
}

impl Contracts {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut paths = BTreeSet::new();
        let remote_kms = section.table("remote-kms").map(|section| RemoteKms::read(section, &mut paths));
        let v1 = section.table("v1").map(|section| V1::read(section, &mut paths));
        let webhook = section.table("webhook").map(|section| Webhook::read(section, &mut paths));
        if !NAMES.iter().any(|name| section.has(name)) {
            section.mistake(Problem::new("no contract is served", "add [contract.webhook]"));
        }
        section.end();
        Self { remote_kms, v1, webhook }
    }
}

impl RemoteKms {
    fn read(mut section: Section<'_>, paths: &mut BTreeSet<String>) -> Self {
        let remote_kms = Self {
            path: path(&mut section, "/remote-kms", paths),
            on_duplicate: on_duplicate(&mut section, OnDuplicate::Conflict),
            grace: section.or("grace", Duration::ZERO, duration_or_none),
        };
        section.end();
        remote_kms
    }
}

impl V1 {
    fn read(mut section: Section<'_>, paths: &mut BTreeSet<String>) -> Self {
        let v1 = Self {
            path: path(&mut section, "/v1", paths),
            grace: section.or("grace", Duration::ZERO, duration_or_none),
        };
        section.end();
        v1
    }
}

impl Webhook {
    fn read(mut section: Section<'_>, paths: &mut BTreeSet<String>) -> Self {
        let webhook = Self {
            path: path(&mut section, "/webhook", paths),
            on_duplicate: on_duplicate(&mut section, OnDuplicate::Replace),
        };
        section.end();
        webhook
    }
}

/// Where a contract is: no two are at one path.
fn path(section: &mut Section<'_>, default: &str, taken: &mut BTreeSet<String>) -> String {
    let path = section.or("path", default.to_owned(), prefix);
    if !taken.insert(path.clone()) {
        let what = format!("`path`: another contract is at {path} already");
        section.mistake_at("path", Problem::new(what, "give every contract a path of its own"));
    }
    path
}

fn on_duplicate(section: &mut Section<'_>, default: OnDuplicate) -> OnDuplicate {
    let kinds = [OnDuplicate::Replace, OnDuplicate::Return, OnDuplicate::Conflict];

    section.or("on-duplicate", default, one("a choice", &kinds, on_duplicate_name))
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

fn on_duplicate_name(on_duplicate: &OnDuplicate) -> &'static str {
    match on_duplicate {
        OnDuplicate::Replace => "replace",
        OnDuplicate::Return => "return",
        OnDuplicate::Conflict => "conflict",
    }
}

const NAMES: [&str; 3] = ["remote-kms", "v1", "webhook"];
