//! Bounds what refusals may write: one by one within a caller's budget, counted beyond it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::audit::{Event, Operation, Outcome};
use crate::name::{CallerName, TenantId};
use crate::outside::Timestamp;

/// The budgets of callers, and counts of what went unwritten.
#[derive(Debug)]
pub(super) struct Refusals {
    per_minute: u32,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    callers: HashMap<(TenantId, CallerName), Minute>,
    unauthenticated: HashMap<(&'static str, &'static str), u64>,
    flushed: Option<Instant>,
}

/// What one caller was refused in this minute.
#[derive(Debug, Default)]
struct Minute {
    written: u32,
    unwritten: u64,
}

impl Refusals {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, counts: Mutex::default() }
    }

    /// Whether a refusal is still within its caller's budget; counts it if not.
    pub(super) fn admit(&self, draft: &Event, now: Instant) -> bool {
        let (Some(tenant), Some(caller)) = (&draft.tenant, &draft.caller) else { return true };
        let mut counts = self.counts();
        counts.flushed.get_or_insert(now);

        let minute = counts.callers.entry((tenant.clone(), caller.clone())).or_default();
        if minute.written < self.per_minute {
            minute.written += 1;
            return true;
        }
        minute.unwritten += 1;
        false
    }

    pub(super) fn count_unauthenticated(&self, contract: &'static str, reason: &'static str) {
        *self.counts().unauthenticated.entry((contract, reason)).or_default() += 1;
    }

    /// Once a minute (or when `last` says that there is no later): the summaries to be written, and fresh budgets.
    pub(super) fn summaries(&self, now: Instant, wall: Timestamp, last: bool) -> Vec<Event> {
        let mut counts = self.counts();
        let since = *counts.flushed.get_or_insert(now);
        if !last && now.saturating_duration_since(since) < MINUTE {
            return Vec::new();
        }
        counts.flushed = Some(now);

        let unwritten = std::mem::take(&mut counts.callers)
            .into_iter()
            .filter(|(_, minute)| minute.unwritten > 0)
            .map(|((tenant, caller), minute)| Event {
                tenant: Some(tenant),
                caller: Some(caller),
                reason: Some("event_budget"),
                detail: Some(format!("{} more refusals of this caller", minute.unwritten)),
                ..Event::new(wall, Operation::Request, Outcome::Refused)
            });
        let mut events: Vec<Event> = unwritten.collect();
        let unauthenticated = std::mem::take(&mut counts.unauthenticated);
        events.extend(unauthenticated.into_iter().map(|((contract, reason), count)| Event {
            contract: Some(contract),
            reason: Some(reason),
            detail: Some(format!("{count} unauthenticated requests")),
            ..Event::new(wall, Operation::Request, Outcome::Refused)
        }));
        events
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MINUTE: Duration = Duration::from_secs(60);
