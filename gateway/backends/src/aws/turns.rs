//! One at a time for each key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use keyport_core::key::KeyId;
use tokio::sync::Mutex as Turn;

/// Who makes which key now.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<KeyId, Weak<Turn<()>>>>);

impl Turns {
    /// What whoever makes this key holds meanwhile.
    pub(super) fn of(&self, key_id: KeyId) -> Arc<Turn<()>> {
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
