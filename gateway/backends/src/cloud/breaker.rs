//! Stops asking a service that does not answer, so that callers hear at once what they would hear after a long wait.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::random::fraction;

/// Counts calls in a row that got no answer. After [`PATIENCE`] of them none goes for a while; then one may try.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Calls in a row without an answer.
    failures: u32,
    /// Until when none goes.
    open_until: Option<Instant>,
    /// Times in a row that it was opened.
    opened: u32,
    /// What the last call without an answer met.
    met: String,
}

/// Why a call may not go.
#[derive(Debug)]
pub(super) struct LeftAlone {
    /// In how long one may try.
    pub(super) wait: Duration,
    /// What the last call without an answer met.
    pub(super) met: String,
}

impl Breaker {
    /// Whether it is of any use to wait for a turn now.
    pub(super) fn check(&self, now: Instant) -> Result<(), LeftAlone> {
        let state = self.state();

        match state.open_until {
            Some(until) if now < until => Err(LeftAlone { wait: until - now, met: state.met.clone() }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a call may go now.
    pub(super) fn admit(&self, now: Instant) -> Result<(), LeftAlone> {
        let mut state = self.state();
        match state.open_until {
            None => Ok(()),
            Some(until) if now < until => Err(LeftAlone { wait: until - now, met: state.met.clone() }),
            Some(_) => {
                // This one tries. The others go on waiting, and not for ever if it is never heard of again.
                state.open_until = Some(now + TRIAL);
                Ok(())
            }
        }
    }

    /// The service answered; whatever it said.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    /// It did not.
    pub(super) fn failed(&self, now: Instant, met: &str) {
        let mut state = self.state();
        met.clone_into(&mut state.met);
        state.failures = state.failures.saturating_add(1);
        if state.failures < PATIENCE {
            return;
        }

        let longest = FIRST.saturating_mul(1 << state.opened.min(8)).min(LONGEST);
        state.opened = state.opened.saturating_add(1);
        state.open_until = Some(now + longest.div_f64(2.0) + longest.div_f64(2.0).mul_f64(fraction()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls in a row that may go without an answer.
const PATIENCE: u32 = 5;
/// How long none goes, the first time and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15);
/// How long one call tries while the others wait.
const TRIAL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..PATIENCE {
            breaker.admit(now).unwrap();
            breaker.failed(now, "nobody");
        }
        breaker
    }

    #[test]
    fn a_service_that_does_not_answer_is_left_alone_and_then_asked_once() {
        let now = tokio::time::Instant::now().into_std();
        let breaker = opened(now);

        let LeftAlone { wait, met } = breaker.admit(now).unwrap_err();
        assert_eq!(met, "nobody");
        assert!(wait >= FIRST / 2 && wait <= FIRST, "{wait:?}");
        breaker.admit(now + wait).unwrap();
        breaker.admit(now + wait).unwrap_err();
    }

    #[test]
    fn an_answer_closes_it_and_silence_opens_it_for_longer() {
        let now = tokio::time::Instant::now().into_std();
        let breaker = opened(now);
        let first = breaker.admit(now).unwrap_err().wait;

        breaker.admit(now + first).unwrap();
        breaker.failed(now + first, "nobody");
        assert!(breaker.admit(now + first).unwrap_err().wait >= FIRST);

        breaker.answered();
        for _ in 0..100 {
            breaker.admit(now).unwrap();
        }
    }

    #[test]
    fn a_trial_that_is_never_heard_of_does_not_keep_it_open() {
        let now = tokio::time::Instant::now().into_std();
        let breaker = opened(now);
        let first = breaker.admit(now).unwrap_err().wait;
        breaker.admit(now + first).unwrap();

        breaker.admit(now + first + TRIAL).unwrap();
    }

    #[test]
    fn failures_between_answers_do_not_open_it() {
        let now = tokio::time::Instant::now().into_std();
        let breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..PATIENCE {
                breaker.failed(now, "nobody");
            }
            breaker.answered();
        }

        breaker.admit(now).unwrap();
    }
}
