//! One at a time for each key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use keyport_core::key::KeyId;
use keyport_core::{Failure, FailureKind};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Who makes which key now.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<KeyId, Weak<Turn<()>>>>);

impl Turns {
    /// Waits until nobody else makes this key. Whoever makes it holds what comes back meanwhile.
    pub(crate) async fn take(
        &self,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<OwnedMutexGuard<()>, Failure> {
        let turn = tokio::time::timeout_at(deadline.into(), self.of(key_id).lock_owned()).await;

        turn.map_err(|_late| Failure::new(FailureKind::Unavailable, "another call still makes this key"))
    }

    fn of(&self, key_id: KeyId) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&key_id).and_then(Weak::upgrade) {
            return turn;
        }

        let turn = Arc::new(Turn::default());
        turns.insert(key_id, Arc::downgrade(&turn));
        turn
    }
}
