//! When nobody can say that there is no key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keyport_core::backend::Object;
use keyport_core::key::KeyId;
use keyport_core::{Failure, FailureKind};

/// What a service does not list may be there: it takes a while until it lists what it made, or it still makes what it did not
/// answer for. So it is for the keys that this gateway asked for just now, and, when it has just begun, for every key that it
/// may have asked for before.
#[derive(Debug)]
pub(crate) struct Doubts {
    settling: Duration,
    /// When what was asked for before this process began is settled.
    early: Instant,
    /// When each is settled.
    asked: Mutex<HashMap<KeyId, Instant>>,
}

/// That the service was asked for a key.
#[derive(Debug)]
pub(crate) struct Raised {
    key_id: KeyId,
    settled: Instant,
    /// When it would be settled without that.
    before: Option<Instant>,
}

impl Doubts {
    /// Those of a service that nobody asked for keys before, if this is the `first`.
    pub(crate) fn new(now: Instant, settling: Duration, first: bool) -> Self {
        let early = if first { now } else { now + settling };

        Self { settling, early, asked: Mutex::default() }
    }

    /// The service is about to be asked for a key.
    pub(crate) fn raise(&self, key_id: KeyId, now: Instant) -> Raised {
        let settled = now + self.settling;
        let before = self.settle_at(key_id, now, settled);

        Raised { key_id, settled, before }
    }

    /// How making a key ended: nothing comes of it later where that was answered.
    pub(crate) fn note<T>(&self, raised: &Raised, outcome: &Result<T, Failure>, now: Instant) {
        match outcome {
            Ok(_) => drop(self.settle_at(raised.key_id, now, now)),
            Err(failure) if is_answer(failure) => self.withdraw(raised, now),
            Err(_) => {}
        }
    }

    /// Nothing comes of this one, whatever comes of others that were asked for the same key.
    pub(crate) fn withdraw(&self, raised: &Raised, now: Instant) {
        let mut asked = self.asked();
        if asked.get(&raised.key_id) == Some(&raised.settled) {
            asked.insert(raised.key_id, raised.before.unwrap_or(now));
        }
    }

    /// For how long it is not known yet whether there is a key, if the service lists none.
    pub(crate) fn left(&self, key_id: KeyId, now: Instant) -> Option<Duration> {
        let settled = self.asked().get(&key_id).copied().unwrap_or(self.early);

        settled.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Refuses to believe that there is no key, while it may be made.
    pub(crate) fn check(&self, key_id: KeyId, now: Instant) -> Result<(), Failure> {
        let Some(left) = self.left(key_id, now) else { return Ok(()) };
        let message = "the service has no such key, but may still make it: it was asked a moment ago";

        Err(Failure { retry_after: Some(left), ..Failure::new(FailureKind::Unavailable, message) })
    }

    /// The same of what is to be destroyed. A key whose native id was recorded was made.
    pub(crate) fn check_gone(&self, object: &Object, now: Instant) -> Result<(), Failure> {
        if object.native_id.as_str() == object.key_id.to_string() {
            return self.check(object.key_id, now);
        }

        Ok(())
    }

    /// Answers when it would have been settled.
    fn settle_at(&self, key_id: KeyId, now: Instant, settled: Instant) -> Option<Instant> {
        let mut asked = self.asked();
        asked.retain(|_, at| *at > now || self.early > now);

        asked.insert(key_id, settled)
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<KeyId, Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a service that fails so has decided. A refusal because of too many calls may follow a call that was not answered.
pub(crate) fn is_answer(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Credentials
        | FailureKind::Denied
        | FailureKind::Exists
        | FailureKind::InvalidArgument
        | FailureKind::KeyGone
        | FailureKind::OperatorNeeded
        | FailureKind::Unsupported => true,
        FailureKind::Internal
        | FailureKind::NotFound
        | FailureKind::Other
        | FailureKind::Throttled
        | FailureKind::Unavailable => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLING: Duration = Duration::from_secs(60);

    #[test]
    fn it_is_in_doubt_after_a_start_and_after_each_try() {
        let key_id = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let began = tokio::time::Instant::now().into_std();
        let doubts = Doubts::new(began, SETTLING, false);
        assert_eq!(doubts.left(key_id, began), Some(SETTLING));
        let later = began + SETTLING;
        assert_eq!(doubts.left(key_id, later), None);

        doubts.raise(key_id, later);

        assert_eq!(doubts.left(key_id, later + SETTLING / 2), Some(SETTLING / 2));
        assert_eq!(doubts.left("f".repeat(32).parse().unwrap(), later), None);
        assert_eq!(doubts.left(key_id, later + SETTLING), None);
    }

    #[test]
    fn whoever_comes_first_is_in_doubt_of_nothing_but_what_he_asked_for() {
        let (key_id, now) = ("f".repeat(32).parse().unwrap(), tokio::time::Instant::now().into_std());
        let doubts = Doubts::new(now, SETTLING, true);
        assert_eq!(doubts.left(key_id, now), None);

        doubts.raise(key_id, now);

        assert_eq!(doubts.left(key_id, now), Some(SETTLING));
    }

    #[test]
    fn a_refusal_says_nothing_of_another_call_that_was_not_answered() {
        let (key_id, now) = ("f".repeat(32).parse().unwrap(), tokio::time::Instant::now().into_std());
        let (doubts, later) = (Doubts::new(now, SETTLING, true), now + SETTLING / 4);
        let refused = Err::<(), _>(Failure::new(FailureKind::Denied, "no"));
        doubts.raise(key_id, now);

        let again = doubts.raise(key_id, later);
        doubts.note(&again, &refused, later);
        assert_eq!(doubts.left(key_id, later), Some(SETTLING - SETTLING / 4));

        let first = doubts.raise(key_id, later);
        doubts.raise(key_id, later + SETTLING / 4);
        doubts.note(&first, &refused, later + SETTLING / 4);
        assert_eq!(doubts.left(key_id, later + SETTLING / 4), Some(SETTLING));
    }

    #[test]
    fn a_service_that_lists_at_once_leaves_none() {
        let now = tokio::time::Instant::now().into_std();
        let (doubts, key_id) = (Doubts::new(now, Duration::ZERO, false), "f".repeat(32).parse().unwrap());

        doubts.raise(key_id, now);

        assert_eq!(doubts.left(key_id, now), None);
    }

    #[test]
    fn what_was_answered_is_settled_also_in_the_beginning() {
        let now = tokio::time::Instant::now().into_std();
        let (doubts, key_id) = (Doubts::new(now, SETTLING, false), "f".repeat(32).parse().unwrap());
        let refused = |kind| Err::<(), _>(Failure::new(kind, "no"));

        for kind in [FailureKind::Unavailable, FailureKind::Throttled, FailureKind::NotFound] {
            let raised = doubts.raise(key_id, now);
            doubts.note(&raised, &refused(kind), now);
            assert_eq!(doubts.check(key_id, now).unwrap_err().retry_after, Some(SETTLING));
        }
        for (outcome, digit) in [(Ok(()), "a"), (refused(FailureKind::Denied), "b")] {
            let key_id = digit.repeat(32).parse().unwrap();
            let raised = doubts.raise(key_id, now);
            doubts.note(&raised, &outcome, now);
            doubts.check(key_id, now).unwrap();
        }
    }
}
