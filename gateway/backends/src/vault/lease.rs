//! How long a login lasts.

use std::time::{Duration, Instant};

/// How long a login lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) until: Instant,
    /// When it should be renewed.
    pub(super) due: Instant,
    pub(super) is_renewable: bool,
    /// How long it was when it was new.
    pub(super) whole: Duration,
}

impl Lease {
    pub(super) fn new(time: Duration, is_renewable: bool, whole: Option<Duration>) -> Option<Self> {
        let (time, now) = (time.min(AGES), now());
        // Not all at the same moment, where many gateways began together.
        let due = time.mul_f64(0.6 + 0.1 * crate::random::fraction()).max(SHORTEST);

        (!time.is_zero()).then(|| Self {
            until: now + time,
            due: now + due,
            is_renewable,
            whole: whole.unwrap_or(time),
        })
    }

    /// Whether renewing gives less and less, as a token is near the longest that it may live.
    pub(super) fn is_ending(&self) -> bool {
        self.until.saturating_duration_since(now()) < self.whole / 2
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// As good as without an end, and far from the end of any clock.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// Between two renewals.
const SHORTEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_login_is_renewed_well_before_it_ends() {
        for _ in 0..100 {
            let lease = Lease::new(HOUR, true, None).unwrap();
            let wait = lease.due - now();
            assert!(wait >= HOUR.mul_f64(0.6) && wait <= HOUR.mul_f64(0.7), "{wait:?}");
        }
        assert!(Lease::new(Duration::ZERO, true, None).is_none(), "a root token does not end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_for_longer_than_any_clock_goes_is_one_for_ages() {
        let lease = Lease::new(Duration::from_secs(u64::MAX), true, None).unwrap();

        assert!(lease.due < lease.until && lease.until - now() == AGES && !lease.is_ending());
    }

    #[tokio::test(start_paused = true)]
    async fn renewing_ends_where_it_gives_less_than_half() {
        let lease = |time| Lease::new(time, true, Some(HOUR)).unwrap();

        assert!(!lease(HOUR).is_ending());
        assert!(lease(HOUR / 3).is_ending());
    }
}
