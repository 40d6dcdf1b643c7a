//! One line of the log, to be written and to be read.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use keyport_core::audit::{Event, Outcome};
use keyport_core::outside::Timestamp;
use serde::{Deserialize, Serialize};

type Text<'a> = Cow<'a, str>;

/// An entry. The fields are in the order in which they are written; what is absent is left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    pub(super) seq: u64,
    /// RFC 3339, UTC, milliseconds.
    pub(super) time: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caller: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contract: Option<Text<'a>>,
    pub(super) operation: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_id: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<Text<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) digest_as_message: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) component: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scheme: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempts: Option<u32>,
    pub(super) outcome: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) recovered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<Text<'a>>,
    /// In a `segment` entry: the first entry that retention has not removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oldest: Option<u64>,
    /// In a `segment` entry: the intents that are open, without their `prev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) open: Option<Vec<Self>>,
    /// The SHA-256 of the line before, lower-case hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prev: Option<Text<'a>>,
}

impl<'a> Line<'a> {
    /// `event`, whose time and key-id are in `words`.
    pub(super) fn of(event: &'a Event, words: &'a Words) -> Self {
        Self {
            time: Cow::Borrowed(&words.time),
            request_id: event.request_id.as_ref().map(|id| Cow::Borrowed(id.as_str())),
            tenant: event.tenant.as_ref().map(|tenant| Cow::Borrowed(tenant.as_str())),
            caller: event.caller.as_ref().map(|caller| Cow::Borrowed(caller.as_str())),
            contract: event.contract.map(Cow::Borrowed),
            operation: Cow::Borrowed(event.operation.as_str()),
            key: event.key.as_ref().map(|name| Cow::Borrowed(name.as_str())),
            key_id: event.key_id.map(|_| Cow::Borrowed(words.key_id.as_str())),
            fingerprint: event.fingerprint.as_ref().map(|fingerprint| Cow::Borrowed(fingerprint.as_str())),
            digest_as_message: event.digest_as_message,
            provider: event.provider.as_ref().map(|provider| Cow::Borrowed(provider.as_str())),
            component: event.component.as_ref().map(|component| Cow::Borrowed(component.as_str())),
            scheme: event.scheme.map(|scheme| Cow::Borrowed(scheme.as_str())),
            attempts: (event.attempts > 0).then_some(event.attempts),
            outcome: Cow::Borrowed(event.outcome.as_str()),
            reason: event.reason.map(Cow::Borrowed),
            intent: event.intent,
            recovered: event.recovered,
            detail: event.detail.as_deref().map(|detail| Cow::Borrowed(shortened(detail))),
            ..Self::default()
        }
    }

    /// The entry that opens a segment.
    pub(super) fn segment(time: Timestamp, oldest: u64, open: Vec<Self>) -> Self {
        Self {
            time: Cow::Owned(written(time)),
            operation: Cow::Borrowed(SEGMENT),
            outcome: Cow::Borrowed(Outcome::Ok.as_str()),
            oldest: Some(oldest),
            open: (!open.is_empty()).then_some(open),
            ..Self::default()
        }
    }

    /// The entry that closes `intent`, of which nobody knows what became.
    pub(super) fn unknown(time: Timestamp, intent: Self) -> Self {
        Self {
            intent: Some(intent.seq),
            time: Cow::Owned(written(time)),
            outcome: Cow::Borrowed(Outcome::Unknown.as_str()),
            recovered: true,
            ..intent
        }
    }
}

/// What the chain needs to know of a line.
#[derive(Debug, Deserialize)]
pub(super) struct Link<'a> {
    pub(super) seq: u64,
    #[serde(borrow)]
    pub(super) prev: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(default)]
    pub(super) intent: Option<u64>,
    #[serde(default)]
    pub(super) oldest: Option<u64>,
}

impl<'a> Link<'a> {
    /// `None` where `line` is no entry.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether it opens a segment.
    pub(super) fn is_segment(&self) -> bool {
        self.operation == SEGMENT
    }

    /// Whether it announces what a later entry closes.
    pub(super) fn is_intent(&self) -> bool {
        self.outcome == Outcome::Intent.as_str()
    }
}

/// Texts that an event has as numbers, kept from one line to the next to spare the allocation.
#[derive(Debug, Default)]
pub(super) struct Words {
    time: String,
    key_id: String,
}

impl Words {
    /// Takes the texts of `event`.
    pub(super) fn take(&mut self, event: &Event) -> std::fmt::Result {
        self.time.clear();
        write!(self.time, "{}", rfc3339(event.time))?;

        self.key_id.clear();
        event.key_id.map_or(Ok(()), |id| write!(self.key_id, "{id}"))
    }
}

fn written(time: Timestamp) -> String {
    rfc3339(time).to_string()
}

fn rfc3339(Timestamp(millis): Timestamp) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis.min(LAST_MILLISECOND)),
    )
}

/// `detail` up to the longest that an entry has.
fn shortened(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(LONGEST_DETAIL)).unwrap_or(detail)
}

/// The operation of an entry that opens a segment.
const SEGMENT: &str = "segment";

/// In bytes.
const LONGEST_DETAIL: usize = 4096;

/// Of the year 9999, beyond which RFC 3339 has no times.
const LAST_MILLISECOND: u64 = 253_402_300_799_999;
