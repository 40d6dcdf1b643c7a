//! What test doubles were asked, in order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyport_core::FailureKind;
use keyport_core::key::{KeyId, KeyName};
use keyport_core::name::{ProviderName, RequestId, TenantId};
use keyport_core::outside::Timestamp;
use keyport_core::scheme::{KeyType, Scheme};
use serde::Serialize;

use crate::config::Work;

/// The calls of every test double of this gateway, in the order in which they began. The oldest are dropped where there
/// are too many.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Calls that were dropped.
    dropped: u64,
    calls: VecDeque<(Asked, Outcome)>,
}

/// How a call ended: `None` while it has not, or where whoever asked went away.
type Outcome = Option<Result<(), FailureKind>>;

/// A call as it begins.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) time: Timestamp,
    pub(super) provider: ProviderName,
    pub(super) tenant: TenantId,
    pub(super) request_id: Option<RequestId>,
    pub(super) work: Work,
    pub(super) key_id: KeyId,
    pub(super) name: Option<KeyName>,
    pub(super) key_type: Option<KeyType>,
    pub(super) scheme: Option<Scheme>,
    pub(super) injected: bool,
}

/// The body of `/testing/calls`.
#[derive(Serialize)]
struct Page {
    calls: Vec<Line>,
    /// Calls before these that are not kept any more.
    dropped: u64,
}

/// One call, as it is read.
#[derive(Serialize)]
struct Line {
    /// Its place, counted from 1.
    seq: u64,
    /// When it began (RFC 3339).
    time: String,
    provider: String,
    tenant: String,
    request_id: Option<String>,
    operation: &'static str,
    key_id: String,
    name: Option<String>,
    key_type: Option<&'static str>,
    scheme: Option<&'static str>,
    /// `ok`, or the kind of its failure.
    outcome: Option<&'static str>,
    /// Whether the double was told to fail it.
    injected: bool,
}

impl Calls {
    /// Notes a call that begins; answers its place.
    pub(super) fn begin(&self, asked: Asked) -> u64 {
        let mut kept = self.kept();
        if kept.calls.len() >= MOST {
            kept.calls.pop_front();
            kept.dropped += 1;
        }
        kept.calls.push_back((asked, None));

        kept.dropped.saturating_add(u64::try_from(kept.calls.len()).unwrap_or(u64::MAX))
    }

    /// Notes how the call at this place ended.
    pub(super) fn end(&self, place: u64, failure: Option<FailureKind>) {
        let mut kept = self.kept();
        let index = place.checked_sub(kept.dropped + 1).and_then(|index| usize::try_from(index).ok());
        if let Some((_, outcome)) = index.and_then(|index| kept.calls.get_mut(index)) {
            *outcome = Some(failure.map_or(Ok(()), Err));
        }
    }

    /// The calls after the one at place `after`, as JSON.
    pub(crate) fn json(&self, after: u64) -> serde_json::Result<String> {
        let kept = self.kept();
        let lines =
            (kept.dropped + 1..).zip(&kept.calls).map(|(seq, (asked, outcome))| line(seq, asked, *outcome));

        let calls = lines.filter(|line| line.seq > after).collect();
        serde_json::to_string(&Page { calls, dropped: kept.dropped })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(seq: u64, asked: &Asked, outcome: Outcome) -> Line {
    Line {
        seq,
        time: humantime::format_rfc3339_millis(asked.time.system_time()).to_string(),
        provider: asked.provider.to_string(),
        tenant: asked.tenant.to_string(),
        request_id: asked.request_id.as_ref().map(ToString::to_string),
        operation: asked.work.as_str(),
        key_id: asked.key_id.to_string(),
        name: asked.name.as_ref().map(ToString::to_string),
        key_type: asked.key_type.map(KeyType::as_str),
        scheme: asked.scheme.map(Scheme::as_str),
        outcome: outcome.map(|outcome| outcome.map_or_else(FailureKind::as_str, |()| "ok")),
        injected: asked.injected,
    }
}

/// Calls that are kept: more than any test makes, and little memory.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked(number: u64) -> Asked {
        Asked {
            time: Timestamp(number),
            provider: "double".parse().unwrap(),
            tenant: "acme".parse().unwrap(),
            request_id: None,
            work: Work::Sign,
            key_id: "0".repeat(32).parse().unwrap(),
            name: None,
            key_type: Some(KeyType::Ed25519),
            scheme: Some(Scheme::Ed25519),
            injected: false,
        }
    }

    fn read(calls: &Calls, after: u64) -> Value {
        serde_json::from_str(&calls.json(after).unwrap()).unwrap()
    }

    #[test]
    fn calls_stay_in_the_order_in_which_they_began_whichever_ends_first() {
        let calls = Calls::default();
        let (first, second, third) = (calls.begin(asked(1)), calls.begin(asked(2)), calls.begin(asked(3)));
        calls.end(third, Some(FailureKind::Throttled));
        calls.end(first, None);

        let page = read(&calls, 0);
        let calls = page["calls"].as_array().unwrap();
        let told: Vec<_> = calls.iter().map(|call| json!([call["seq"], call["outcome"]])).collect();
        assert_eq!(json!(told), json!([[first, "ok"], [second, null], [third, "throttled"]]));
    }

    #[test]
    fn the_oldest_calls_are_dropped_and_counted_and_places_stay() {
        let calls = Calls::default();
        let early = calls.begin(asked(0));
        let places: Vec<_> = (0..MOST).map(|_| calls.begin(asked(1))).collect();
        let last = *places.last().unwrap();
        calls.end(early, Some(FailureKind::Internal));
        calls.end(last, None);

        let page = read(&calls, last - 2);
        assert_eq!((&page["dropped"], page["calls"].as_array().unwrap().len()), (&json!(1), 2));
        assert_eq!((&page["calls"][1]["seq"], &page["calls"][1]["outcome"]), (&json!(last), &json!("ok")));
        assert_eq!(page["calls"][0]["outcome"], Value::Null);
        assert_eq!(read(&calls, 0)["calls"][0]["seq"], 2);
    }
}
