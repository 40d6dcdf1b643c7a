//! Which keys may be on their way back though the service says that they are leaving.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use keyport_core::key::NativeId;

use crate::cloud::{MOMENT, Revived};

/// The service may not say yet that a key's deletion was cancelled a moment ago. So it is with the keys that this gateway restored
/// just now, and, when it has just begun, with each that it may have restored before and has not destroyed since.
#[derive(Debug)]
pub(super) struct Returns {
    began: Instant,
    revived: Revived,
    destroyed: Mutex<HashSet<NativeId>>,
}

impl Returns {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, revived: Revived::default(), destroyed: Mutex::default() }
    }

    /// The key is about to be asked to come back.
    pub(super) fn begin(&self, key: &NativeId, now: Instant) {
        self.destroyed().remove(key);
        self.revived.note(key.as_str(), now);
    }

    /// The key was seen to be there.
    pub(super) fn end(&self, key: &NativeId) {
        self.revived.forget(key.as_str());
    }

    /// The key was there, and is destroyed beyond doubt.
    pub(super) fn destroy(&self, key: &NativeId, now: Instant) {
        self.revived.forget(key.as_str());
        if self.is_early(now) {
            self.destroyed().insert(key.clone());
        }
    }

    /// Whether the service may still call the key gone though it is not.
    pub(super) fn is_in_doubt(&self, key: &NativeId, now: Instant) -> bool {
        self.revived.is_in_doubt(key.as_str(), now) || self.is_early(now) && !self.destroyed().contains(key)
    }

    fn is_early(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < MOMENT
    }

    fn destroyed(&self) -> MutexGuard<'_, HashSet<NativeId>> {
        self.destroyed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
