//! How long a login lasts, and how long nobody tries another one after it was refused.

use std::time::{Duration, Instant};

use keyport_core::Failure;

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

/// A login that the server refused. It may lock out who tries too often.
#[derive(Debug)]
pub(super) struct Setback {
    pub(super) failure: Failure,
    times: u32,
    pub(super) until: Instant,
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

impl Setback {
    pub(super) fn after(last: Option<Self>, failure: &Failure) -> Self {
        let times = last.map_or(0, |last| last.times.saturating_add(1));

        Self {
            failure: failure.clone(),
            times,
            until: now() + FIRST.saturating_mul(1 << times.min(8)).min(LONGEST),
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// As good as without an end, and far from the end of any clock.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// Between two renewals.
const SHORTEST: Duration = Duration::from_millis(500);
/// How long nobody tries to log in after a refusal, the first time and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use keyport_core::FailureKind;

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

    #[tokio::test(start_paused = true)]
    async fn after_each_refusal_nobody_tries_for_longer() {
        let failure = Failure::new(FailureKind::Credentials, "no");
        let mut setback = None;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let next = Setback::after(setback.take(), &failure);
            waits.push((next.until - now()).as_secs());
            setback = Some(next);
        }

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }
}
