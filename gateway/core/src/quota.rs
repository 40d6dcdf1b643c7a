//! Bounds what tenants and callers may ask for: requests and bytes in a second, calls at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::caller::Caller;
use crate::name::{CallerName, TenantId};
use crate::{Error, Result};

/// What a tenant, or one of its callers, may ask for. What is `None` is not bounded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quota {
    /// Requests in a second; as many may come at once.
    pub requests: Option<u32>,
    /// Bytes to be signed or verified in a second; as many may come at once.
    pub bytes: Option<u32>,
    /// Requests at a time.
    pub in_flight: Option<u32>,
}

impl Quota {
    fn is_unbounded(self) -> bool {
        self == Self::default()
    }
}

/// What has been asked for lately. It outlives the configuration: what was spent stays spent over a reload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spending(Arc<Mutex<HashMap<Spender, Spent>>>);

/// A tenant as a whole, or one caller of it.
type Spender = (TenantId, Option<CallerName>);

#[derive(Clone, Copy, Debug)]
struct Spent {
    requests: f64,
    bytes: f64,
    in_flight: u32,
    at: Instant,
}

/// A request that is within its quotas, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    spending: Spending,
    spenders: Vec<Spender>,
}

impl Spending {
    /// Admits a request of `bytes` bytes if both the tenant's and the caller's quota have room for it, and spends of both;
    /// of none if it is refused.
    pub(crate) fn admit(
        &self,
        caller: &Caller,
        (tenant_quota, caller_quota): (Quota, Quota),
        bytes: usize,
        now: Instant,
    ) -> Result<Admitted> {
        let mut bounded: Vec<(Spender, Quota)> = Vec::new();
        if !tenant_quota.is_unbounded() {
            bounded.push(((caller.tenant.clone(), None), tenant_quota));
        }
        if !caller_quota.is_unbounded() {
            bounded.push(((caller.tenant.clone(), Some(caller.name.clone())), caller_quota));
        }
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));

        let mut spent = self.spent();
        let mut after = Vec::with_capacity(bounded.len());
        for (spender, quota) in &bounded {
            let before = spent.get(spender).copied().unwrap_or_else(|| Spent::nothing(now));
            after.push(before.with(*quota, bytes, now)?);
        }
        for ((spender, _), next) in bounded.iter().zip(after) {
            spent.insert(spender.clone(), next);
        }

        Ok(Admitted {
            spending: self.clone(),
            spenders: bounded.into_iter().map(|(spender, _)| spender).collect(),
        })
    }

    /// Forgets who has not spent anything for long enough to have everything again.
    pub(crate) fn sweep(&self, now: Instant) {
        self.spent()
            .retain(|_, spent| spent.in_flight > 0 || now.saturating_duration_since(spent.at) < FORGET);
    }

    fn spent(&self) -> MutexGuard<'_, HashMap<Spender, Spent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn nothing(now: Instant) -> Self {
        Self { requests: 0.0, bytes: 0.0, in_flight: 0, at: now }
    }

    /// What is spent after one more request, or when to come back.
    fn with(self, quota: Quota, bytes: f64, now: Instant) -> Result<Self> {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let requests = add(self.requests, quota.requests, 1.0, elapsed)?;
        let bytes = add(self.bytes, quota.bytes, bytes, elapsed)?;
        if quota.in_flight.is_some_and(|most| self.in_flight >= most) {
            return Err(Error::Throttled { retry_after: BUSY });
        }

        Ok(Self { requests, bytes, in_flight: self.in_flight.saturating_add(1), at: now })
    }
}

/// A bucket's level after `elapsed` seconds and one more `amount`: it drains at `rate` a second and holds one second's
/// worth. An amount beyond that is let into an empty bucket, and paid for afterwards. Nothing needs no room.
fn add(level: f64, rate: Option<u32>, amount: f64, elapsed: f64) -> Result<f64> {
    let Some(rate) = rate.map(f64::from) else { return Ok(0.0) };
    let level = (level - elapsed * rate).max(0.0);
    if level > 0.0 && amount > 0.0 && level + amount > rate {
        let wait = (level + amount.min(rate) - rate) / rate.max(f64::MIN_POSITIVE);
        return Err(Error::Throttled {
            retry_after: Duration::try_from_secs_f64(wait).unwrap_or(FORGET).min(FORGET),
        });
    }

    Ok(level + amount)
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut spent = self.spending.spent();
        for spender in &self.spenders {
            if let Some(spent) = spent.get_mut(spender) {
                spent.in_flight = spent.in_flight.saturating_sub(1);
            }
        }
    }
}

/// When to come back where too much is in flight.
const BUSY: Duration = Duration::from_millis(100);

/// After so long without a request nothing of what was spent is left.
const FORGET: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{caller, instant};

    fn admit(spending: &Spending, quota: Quota, bytes: usize, now: Instant) -> Result<Admitted> {
        spending.admit(&caller("acme"), (quota, Quota::default()), bytes, now)
    }

    #[test]
    fn a_second_gives_back_what_a_second_allows() {
        let (spending, now) = (Spending::default(), instant());
        let quota = Quota { requests: Some(10), ..Quota::default() };
        let count = |now| (0..100).filter(|_| admit(&spending, quota, 0, now).is_ok()).count();

        assert_eq!(count(now), 10);
        assert_eq!(count(now + Duration::from_millis(500)), 5);
        assert_eq!(count(now + Duration::from_secs(60)), 10);
    }

    #[test]
    fn more_bytes_than_a_second_allows_pass_once_and_are_paid_for() {
        let (spending, now) = (Spending::default(), instant());
        let quota = Quota { bytes: Some(100), ..Quota::default() };

        assert!(admit(&spending, quota, 300, now).is_ok());
        assert!(admit(&spending, quota, 1, now + Duration::from_secs(1)).is_err());
        assert!(admit(&spending, quota, 1, now + Duration::from_secs(3)).is_ok());
    }

    #[test]
    fn what_is_in_flight_counts_until_it_is_done() {
        let (spending, now) = (Spending::default(), instant());
        let quota = Quota { in_flight: Some(1), ..Quota::default() };

        let first = admit(&spending, quota, 0, now).unwrap();
        assert!(admit(&spending, quota, 0, now).is_err());
        spending.sweep(now + Duration::from_secs(3600));
        assert!(admit(&spending, quota, 0, now).is_err());
        drop(first);
        assert!(admit(&spending, quota, 0, now).is_ok());
    }
}
