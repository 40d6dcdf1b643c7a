//! What one tenant's guests may take from the others: calls in flight, and CPU time per second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyport_core::name::TenantId;
use keyport_core::outside::Clock;
use keyport_core::room::Room;

/// Every tenant that was seen.
#[derive(Debug)]
pub(crate) struct Tenants {
    seen: Mutex<HashMap<TenantId, Arc<Tenant>>>,
    in_flight: usize,
    cpu: Duration,
}

impl Tenants {
    /// Each tenant gets `in_flight` calls at a time and `cpu` per second.
    pub(crate) fn new(in_flight: usize, cpu: Duration) -> Self {
        Self { seen: Mutex::default(), in_flight, cpu }
    }

    pub(crate) fn tenant(&self, tenant: &TenantId, clock: &dyn Clock) -> Arc<Tenant> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get(tenant) {
            return Arc::clone(known);
        }

        let new = Arc::new(Tenant {
            room: Room::new(self.in_flight),
            cpu: Mutex::new(Bucket::new(self.cpu, clock.now())),
        });
        seen.insert(tenant.clone(), Arc::clone(&new));
        new
    }
}

/// What one tenant has left.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) room: Room,
    cpu: Mutex<Bucket>,
}

impl Tenant {
    /// When CPU time is left again; `None` where some is.
    pub(crate) fn cpu_spent(&self, now: Instant) -> Option<Duration> {
        self.cpu.lock().unwrap_or_else(PoisonError::into_inner).empty(now)
    }

    /// Takes what a call has used. It may be more than there is: what is missing has to come in first.
    pub(crate) fn charge(&self, used: Duration, now: Instant) {
        self.cpu.lock().unwrap_or_else(PoisonError::into_inner).take(used, now);
    }
}

/// Fills at a steady rate up to what comes in within a second.
#[derive(Debug)]
struct Bucket {
    /// What comes in per second; 0 never empties.
    rate: Duration,
    level: Duration,
    debt: Duration,
    filled: Instant,
}

impl Bucket {
    fn new(rate: Duration, now: Instant) -> Self {
        Self { rate, level: rate, debt: Duration::ZERO, filled: now }
    }

    fn empty(&mut self, now: Instant) -> Option<Duration> {
        if self.rate.is_zero() {
            return None;
        }
        self.fill(now);

        self.level.is_zero().then(|| self.debt.div_duration_f64(self.rate)).map(|seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).max(Duration::from_millis(10))
        })
    }

    fn take(&mut self, used: Duration, now: Instant) {
        self.fill(now);
        self.debt = self.debt.saturating_add(used.saturating_sub(self.level));
        self.level = self.level.saturating_sub(used);
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        let income = Duration::try_from_secs_f64(self.rate.as_secs_f64() * elapsed).unwrap_or(Duration::MAX);
        self.filled = now;

        let left = income.saturating_sub(self.debt);
        self.debt = self.debt.saturating_sub(income);
        self.level = self.level.saturating_add(left).min(self.rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_in_debt_fills_at_its_rate() {
        let start = origin();
        let mut bucket = Bucket::new(Duration::from_millis(500), start);

        assert_eq!(bucket.empty(start), None);
        bucket.take(Duration::from_millis(1500), start);
        assert_eq!(bucket.empty(start), Some(Duration::from_secs(2)));
        assert_eq!(bucket.empty(start + Duration::from_secs(1)), Some(Duration::from_secs(1)));
        assert_eq!(bucket.empty(start + Duration::from_secs(3)), None);
    }

    #[test]
    fn a_bucket_holds_no_more_than_a_second_brings() {
        let start = origin();
        let mut bucket = Bucket::new(Duration::from_millis(500), start);
        let later = start + Duration::from_secs(3600);

        bucket.take(Duration::from_millis(500), later);
        assert!(bucket.empty(later).is_some());
    }

    #[expect(clippy::disallowed_methods, reason = "an origin; nothing waits")]
    fn origin() -> Instant {
        Instant::now()
    }
}
