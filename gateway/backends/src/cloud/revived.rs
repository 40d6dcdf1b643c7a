//! Remembers what was asked to come back a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Keys whose destruction was taken back a moment ago.
///
/// The service may not say so yet: who destroys such a key again, and hears that it is gone, has heard of the first time.
#[derive(Debug, Default)]
pub(crate) struct Revived(Mutex<HashMap<String, Instant>>);

impl Revived {
    /// Notes that a key was asked to come back.
    pub(crate) fn note(&self, key: &str, now: Instant) {
        let mut keys = self.keys();
        keys.retain(|_, since| now.saturating_duration_since(*since) < MOMENT);
        keys.insert(key.to_owned(), now);
    }

    /// Forgets a key: it was seen to be there, or is destroyed again beyond doubt.
    pub(crate) fn forget(&self, key: &str) {
        self.keys().remove(key);
    }

    /// Whether the service may still call this key gone though it is not.
    pub(crate) fn is_in_doubt(&self, key: &str, now: Instant) -> bool {
        self.keys().get(key).is_some_and(|since| now.saturating_duration_since(*since) < MOMENT)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longer than any service takes to bring a key back.
pub(crate) const MOMENT: Duration = Duration::from_secs(600);
