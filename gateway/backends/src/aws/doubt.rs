//! When nobody can say that there is no key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keyport_core::key::KeyId;

/// The service takes a while until it lists what it made: until then, what it does not list may be there. So it is for the
/// keys that this gateway asked for just now, and, when it has just begun, for every key that it may have asked for before.
#[derive(Debug)]
pub(super) struct Doubts {
    settling: Duration,
    began: Instant,
    asked: Mutex<HashMap<KeyId, Instant>>,
}

impl Doubts {
    pub(super) fn new(now: Instant, settling: Duration) -> Self {
        Self { settling, began: now, asked: Mutex::default() }
    }

    /// The service is about to be asked for a key.
    pub(super) fn raise(&self, key_id: KeyId, now: Instant) {
        let mut asked = self.asked();
        asked.retain(|_, at| *at + self.settling > now);
        asked.insert(key_id, now);
    }

    /// For how long it is not known yet whether there is a key, if the service lists none.
    pub(super) fn left(&self, key_id: KeyId, now: Instant) -> Option<Duration> {
        let since = self.asked().get(&key_id).copied().unwrap_or(self.began);

        (since + self.settling).checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<KeyId, Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLING: Duration = Duration::from_secs(60);

    #[test]
    fn it_is_in_doubt_after_a_start_and_after_each_try() {
        let key_id = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let began = super::super::now();
        let doubts = Doubts::new(began, SETTLING);
        assert_eq!(doubts.left(key_id, began), Some(SETTLING));
        let later = began + SETTLING;
        assert_eq!(doubts.left(key_id, later), None);

        doubts.raise(key_id, later);

        assert_eq!(doubts.left(key_id, later + SETTLING / 2), Some(SETTLING / 2));
        assert_eq!(doubts.left("f".repeat(32).parse().unwrap(), later), None);
        assert_eq!(doubts.left(key_id, later + SETTLING), None);
    }

    #[test]
    fn a_service_that_lists_at_once_leaves_none() {
        let now = super::super::now();
        let (doubts, key_id) = (Doubts::new(now, Duration::ZERO), "f".repeat(32).parse().unwrap());

        doubts.raise(key_id, now);

        assert_eq!(doubts.left(key_id, now), None);
    }
}
