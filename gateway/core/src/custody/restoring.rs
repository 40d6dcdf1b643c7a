//! Takes the destruction of a key back, at every custodian that destroyed it.
//!
//! No guest is asked, as none is when a key is erased: its world has no export for it, and nothing that it knows of the key changes.
//! Handle, native id and public half are what they were.

use std::time::Instant;

use super::replicas::{at, counterpart};
use super::{Custody, object};
use crate::backend::Object;
use crate::failure::{Failure, FailureKind};
use crate::key::Key;
use crate::name::ConnectionName;

impl Custody {
    /// Whether every custodian of the key keeps for a while what it destroyed.
    pub(crate) fn restores(&self, key: &Key) -> bool {
        let Some(connection) = &key.connection else { return false };
        let mut all = std::iter::once(connection).chain(self.replicas(connection));

        all.all(|connection| self.backend(connection).is_ok_and(|backend| backend.restores()))
    }

    /// Restores the key's object wherever it was destroyed, and makes sure that it is the key of the row. After a failure some
    /// custodians may have it again.
    ///
    /// A key can be made before its replicas are, so one that has none of it now need not have had it ever.
    pub(crate) async fn restore(&self, key: &Key, deadline: Instant) -> Result<(), Failure> {
        let (Some(connection), Some(native_id)) = (&key.connection, &key.native_id) else {
            return Err(Failure::new(FailureKind::NotFound, "no custodian ever had this key"));
        };
        let object = object(key, native_id.clone());
        // In the order that undoes a destruction: the replicas of a multi-region key need it.
        self.backend(connection)?.restore(&object, deadline).await?;
        let mut restored = Vec::new();
        for replica in self.replicas(connection) {
            if self.is_restored_at(replica, &object, deadline).await? {
                restored.push(replica);
            }
        }

        let public = self.public_half(key, deadline).await?;
        if Some(&public) != key.public.as_ref() {
            let message = format!("the custodian restored another key as `{}`", native_id.as_str());
            return Err(Failure::new(FailureKind::Internal, message));
        }
        for replica in restored {
            self.prove_at(replica, key, deadline).await?;
        }
        Ok(())
    }

    /// Restores the object at a replica; whether that has it.
    async fn is_restored_at(
        &self,
        replica: &ConnectionName,
        object: &Object,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        let backend = self.backend(replica)?;
        match backend.restore(&counterpart(&*backend, object), deadline).await {
            Ok(()) => Ok(true),
            Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::KeyGone) => {
                let key_id = object.key_id;
                tracing::warn!(%replica, %key_id, %failure, "a key is restored without this replica, which does not have it");
                Ok(false)
            }
            Err(failure) => Err(at(replica, &failure)),
        }
    }
}
