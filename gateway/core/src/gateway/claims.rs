//! Keeps destruction and restoration of one key apart.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::key::KeyId;

/// The keys that are being destroyed or restored at their custodian.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<KeyId>>>);

impl Claims {
    /// Lets one work on a key, until that is dropped; `None` while another does.
    pub(super) fn claim(&self, id: KeyId) -> Option<Claim> {
        let begun = self.ids().insert(id);

        begun.then(|| Claim { claims: self.clone(), id })
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<KeyId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that nobody else works on.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    id: KeyId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.ids().remove(&self.id);
    }
}
