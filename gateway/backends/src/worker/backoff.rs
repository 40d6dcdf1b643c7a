//! How long to wait before the next start.

use std::time::Duration;

use crate::random::fraction;

/// Delays that double from start to start, up to a bound, each with a random part so that many gateways do not come
/// back to one HSM at the same moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after a worker that served for `served`. The first is almost none: a process that crashed once is best
    /// replaced at once.
    pub(super) fn next(&mut self, served: Duration) -> Duration {
        if served >= STABLE {
            self.failures = 0;
        }
        let longest = match self.failures {
            0 => FIRST,
            failures => SECOND.saturating_mul(1 << failures.min(16).saturating_sub(1)).min(LONGEST),
        };
        self.failures = self.failures.saturating_add(1);

        longest.div_f64(2.0) + longest.div_f64(2.0).mul_f64(fraction())
    }
}

/// A worker that served for so long did not crash for what it was told at its start.
const STABLE: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(40);
const SECOND: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_and_start_over_after_a_stable_time() {
        let mut backoff = Backoff::default();

        assert!(backoff.next(Duration::ZERO) <= FIRST);
        for expected in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let (longest, delay) = (Duration::from_millis(expected), backoff.next(Duration::ZERO));
            assert!(delay <= longest && delay >= longest.div_f64(2.0), "{delay:?} {longest:?}");
        }
        assert!(backoff.next(STABLE) <= FIRST);
    }
}
