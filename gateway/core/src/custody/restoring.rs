//! Takes the destruction of a key back, at every custodian that destroyed it.
//!
//! No guest is asked, as none is when a key is erased: its world has no export for it, and nothing that it knows of the key changes.
//! Handle, native id and public half are what they were.

use std::time::Instant;

use super::replicas::{at, counterpart};
use super::{Custody, object};
use crate::failure::{Failure, FailureKind};
use crate::key::Key;

impl Custody {
    /// Whether every custodian of the key keeps for a while what it destroyed.
    pub(crate) fn restores(&self, key: &Key) -> bool {
        let Some(connection) = &key.connection else { return false };
        let mut all = std::iter::once(connection).chain(self.replicas(connection));

        all.all(|connection| self.backend(connection).is_ok_and(|backend| backend.restores()))
    }

    /// Restores the key's object wherever it was destroyed, and makes sure that it is the key of the row. After a failure some
    /// custodians may have it again.
    pub(crate) async fn restore(&self, key: &Key, deadline: Instant) -> Result<(), Failure> {
        let (Some(connection), Some(native_id)) = (&key.connection, &key.native_id) else {
            return Err(Failure::new(FailureKind::NotFound, "no custodian ever had this key"));
        };
        let object = object(key, native_id.clone());
        // In the order that undoes a destruction: the replicas of a multi-region key need it.
        self.backend(connection)?.restore(&object, deadline).await?;
        for replica in self.replicas(connection) {
            let backend = self.backend(replica)?;
            let restored = backend.restore(&counterpart(&*backend, &object), deadline).await;
            restored.map_err(|failure| at(replica, &failure))?;
        }

        let public = self.public_half(key, deadline).await?;
        if Some(&public) != key.public.as_ref() {
            let message = format!("the custodian restored another key as `{}`", native_id.as_str());
            return Err(Failure::new(FailureKind::Internal, message));
        }
        self.prove(key, deadline).await
    }
}
