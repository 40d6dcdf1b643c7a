//! What the gateway holds of an operation that custody has in its ledger.

use std::sync::Arc;

use super::{Custody, OperationId, Seen};
use crate::key::Key;
use crate::policy::Allowed;

/// An operation in the ledger. It leaves the ledger when this is closed or dropped.
#[derive(Debug)]
pub(crate) struct OpenOperation {
    custody: Arc<Custody>,
    id: OperationId,
}

impl OpenOperation {
    pub(super) fn new(custody: Arc<Custody>, id: OperationId) -> Self {
        Self { custody, id }
    }

    /// What the host names it by.
    pub(crate) fn id(&self) -> OperationId {
        self.id
    }

    /// Closes it and says what custody saw; the row where the operation was to make a key.
    pub(crate) fn close(self) -> (Seen, Option<Key>) {
        let Some(entry) = self.custody.ledger.close(self.id) else { return Default::default() };
        let made = match entry.operation.allowed() {
            Allowed::Create(making) => Some(making.key.clone()),
            Allowed::Sign(_) | Allowed::Destroy(_) | Allowed::Probe => None,
        };

        (entry.seen, made)
    }
}

impl Drop for OpenOperation {
    fn drop(&mut self) {
        drop(self.custody.ledger.close(self.id));
    }
}
