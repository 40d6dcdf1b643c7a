//! The import `log`: guests' lines in the operator's log, marked as theirs and within a budget.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyport_core::name::TenantId;
use keyport_core::provider::Call;

use crate::bindings::log::Host;
pub(crate) use crate::bindings::log::Level;
use crate::guest::{Guest, State};
use crate::lines::Line;
use crate::stats::Bound;
use crate::text;

impl Host for State {
    fn log(&mut self, level: Level, message: String) {
        say(&self.guest, self.call.as_ref(), level, &message);
    }
}

/// A line of a guest's in the log, said in a call, if it is within the budget.
pub(crate) fn say(guest: &Guest, call: Option<&Call>, level: Level, message: &str) {
    let tenant = call.map(|call| &call.tenant);
    let text = text::line(message, text::MESSAGE);
    let Some(unheard) =
        guest.log.spend(tenant, text.len(), (&guest.limits).into(), guest.outside.clock.now())
    else {
        guest.stats.hit(Bound::Log);
        return;
    };

    let line = Line {
        level,
        text,
        provider: guest.name.clone(),
        tenant: tenant.cloned(),
        request: call.and_then(|call| call.request_id.clone()),
        unheard,
    };
    if !guest.lines.put(line) {
        guest.stats.hit(Bound::Log);
    }
}

/// What each tenant's instances of one provider have left to say.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<HashMap<Option<TenantId>, Budget>>);

/// Lines and bytes per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    lines: u32,
    bytes: u32,
}

impl From<&crate::limits::Limits> for Rate {
    fn from(limits: &crate::limits::Limits) -> Self {
        Self { lines: limits.log_lines, bytes: limits.log_bytes }
    }
}

/// One tenant's second.
#[derive(Debug)]
struct Budget {
    since: Instant,
    lines: u32,
    bytes: u32,
    unheard: u64,
}

impl Budgets {
    /// Pays for one line of this many bytes; answers how many went unheard before it, or `None` where it does too.
    fn spend(&self, tenant: Option<&TenantId>, bytes: usize, rate: Rate, now: Instant) -> Option<u64> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Budget { since: now, lines: rate.lines, bytes: rate.bytes, unheard: 0 };
        let budget = budgets.entry(tenant.cloned()).or_insert(full);

        if now.saturating_duration_since(budget.since) >= SECOND {
            *budget = Budget { since: now, lines: rate.lines, bytes: rate.bytes, unheard: budget.unheard };
        }

        let left = u32::try_from(bytes).ok().and_then(|bytes| budget.bytes.checked_sub(bytes));
        let (Some(lines), Some(bytes)) = (budget.lines.checked_sub(1), left) else {
            budget.unheard = budget.unheard.saturating_add(1);
            return None;
        };
        budget.lines = lines;
        budget.bytes = bytes;
        Some(std::mem::take(&mut budget.unheard))
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_one_tenants_and_comes_back_after_a_second() {
        let budgets = Budgets::default();
        let rate = Rate { lines: 2, bytes: 100 };
        let (one, other): (TenantId, TenantId) = ("one".parse().unwrap(), "other".parse().unwrap());
        #[expect(clippy::disallowed_methods, reason = "an origin; nothing waits")]
        let now = Instant::now();

        assert_eq!(budgets.spend(Some(&one), 60, rate, now), Some(0));
        assert_eq!(budgets.spend(Some(&one), 60, rate, now), None, "bytes");
        assert_eq!(budgets.spend(Some(&one), 1, rate, now), Some(1));
        assert_eq!(budgets.spend(Some(&one), 1, rate, now), None, "lines");
        assert_eq!(budgets.spend(Some(&other), 1, rate, now), Some(0));
        assert_eq!(budgets.spend(Some(&one), 1, rate, now + SECOND), Some(1));
    }
}
