//! Paces calls, so that a service has no reason to refuse them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many calls of one class a service takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// In a second, on average.
    pub per_second: f64,
    /// At once, after a pause.
    pub burst: u32,
}

/// The rates of an account, by class. `None` is not paced.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Signatures.
    pub sign: Option<Rate>,
    /// Reading public halves, listing and describing.
    pub read: Option<Rate>,
    /// Making, tagging and destroying keys.
    pub manage: Option<Rate>,
}

/// Hands out the moments at which calls may go, first come, first served: a call that comes is told at once when its turn is,
/// or that it comes too late. (The generic cell rate algorithm, ITU-T I.371; a crate for it would not say whose turn it is
/// before a deadline.)
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Option<Rate>,
    /// When the bucket will be full again.
    full: Mutex<Option<Instant>>,
}

impl Bucket {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, full: Mutex::default() }
    }

    /// When a call that comes `now` may go; if that is after `deadline`, how long the queue is.
    pub(super) fn turn(&self, now: Instant, deadline: Instant) -> Result<Instant, Duration> {
        let mut full = self.full();
        // Whatever its rate, the service may have said how long it wants to be left alone.
        let Some(Rate { per_second, burst }) = self.rate else {
            let turn = full.map_or(now, |until| until.max(now));
            return if turn < deadline { Ok(turn) } else { Err(turn - now) };
        };

        let between = Duration::from_secs_f64(1.0 / per_second.max(LEAST));
        let after = full.map_or(now, |full| full.max(now)) + between;
        let turn = after.checked_sub(between * burst.max(1)).map_or(now, |turn| turn.max(now));
        if turn >= deadline {
            return Err(turn - now);
        }
        *full = Some(after);
        Ok(turn)
    }

    /// No call goes for this long: the service said so.
    pub(super) fn pause(&self, now: Instant, time: Duration) {
        let burst = self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(f64::from(rate.burst.saturating_sub(1)) / rate.per_second.max(LEAST))
        });
        let mut full = self.full();
        let until = now + time.min(LONGEST_PAUSE) + burst;

        *full = Some(full.map_or(until, |full| full.max(until)));
    }

    fn full(&self) -> MutexGuard<'_, Option<Instant>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls in a second that are as good as none.
const LEAST: f64 = 0.001;

/// What a service can ask for. More would be a way to switch the gateway off.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bucket() -> Bucket {
        Bucket::new(Some(Rate { per_second: 10.0, burst: 3 }))
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let (bucket, now) = (bucket(), tokio::time::Instant::now().into_std());

        let turns = [(); 6].map(|()| bucket.turn(now, now + SECOND).unwrap() - now);

        assert_eq!(turns.map(|turn| turn.as_millis()), [0, 0, 0, 100, 200, 300]);
    }

    #[test]
    fn a_call_whose_turn_would_come_too_late_is_told_so_and_takes_no_turn() {
        let (bucket, now) = (bucket(), tokio::time::Instant::now().into_std());
        for _ in 0..3 {
            bucket.turn(now, now + SECOND).unwrap();
        }

        for _ in 0..5 {
            assert_eq!(bucket.turn(now, now + Duration::from_millis(50)), Err(Duration::from_millis(100)));
        }
        assert_eq!(bucket.turn(now, now + SECOND), Ok(now + Duration::from_millis(100)));
    }

    #[test]
    fn a_pause_is_a_burst_again() {
        let (bucket, now) = (bucket(), tokio::time::Instant::now().into_std());
        for _ in 0..5 {
            bucket.turn(now, now + SECOND).unwrap();
        }
        let later = now + 10 * SECOND;

        for _ in 0..3 {
            assert_eq!(bucket.turn(later, later + SECOND), Ok(later));
        }
    }

    #[test]
    fn what_the_service_asks_for_is_kept_within_bounds() {
        let now = tokio::time::Instant::now().into_std();
        for bucket in [bucket(), Bucket::new(None)] {
            bucket.pause(now, 2 * SECOND);
            assert_eq!(bucket.turn(now, now + SECOND), Err(2 * SECOND));
            assert_eq!(bucket.turn(now, now + 3 * SECOND), Ok(now + 2 * SECOND));

            bucket.pause(now, 3600 * SECOND);
            assert_eq!(bucket.turn(now, now + SECOND), Err(LONGEST_PAUSE));
        }
    }

    #[test]
    fn what_is_not_paced_goes_at_once() {
        let (bucket, now) = (Bucket::new(None), tokio::time::Instant::now().into_std());

        for _ in 0..1000 {
            assert_eq!(bucket.turn(now, now + SECOND), Ok(now));
        }
    }
}
