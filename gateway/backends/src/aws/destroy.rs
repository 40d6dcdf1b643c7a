//! Has the service delete keys, which it does after a while.

use std::time::Instant;

use keyport_core::backend::Object;
use keyport_core::key::NativeId;
use keyport_core::{Failure, FailureKind};

use super::{Aws, arn, now};
use crate::cloud::{Call, Retry};

impl Aws {
    /// Schedules the deletion of an object's key, and of what a crash left of other tries to make it.
    pub(super) async fn do_away(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        let key = if is_unrecorded(object) {
            self.seek(object.key_id, deadline).await?
        } else {
            Some(object.native_id.clone())
        };
        let tagged = self.tagged(object.key_id, deadline).await?;
        if key.as_ref() == Some(&object.native_id) && !tagged.contains(&object.native_id) {
            self.check_own(object, deadline).await?;
        }

        if let Some(key) = &key {
            // Nobody restores a key whose native id is not known.
            let is_in_doubt = !is_unrecorded(object) && self.returns.is_in_doubt(key, now());
            self.schedule_deletion(key, is_in_doubt, deadline).await?;
        }
        for other in tagged.iter().filter(|other| key.as_ref() != Some(other)) {
            self.schedule_deletion(other, false, deadline).await?;
        }
        Ok(())
    }

    /// Schedules a key's deletion. Where it may be on its way back, it is not believed that this was done already.
    pub(super) async fn schedule_deletion(
        &self,
        key: &NativeId,
        is_in_doubt: bool,
        deadline: Instant,
    ) -> Result<(), Failure> {
        self.publics.forget(key);
        // Nobody can delete another account's.
        let asked = self.kms.schedule_key_deletion().key_id(arn::id(key));
        let asked = asked.pending_window_in_days(self.deletion_window.get());
        let told = self.call(Call::manage(Retry::Safe, deadline), || asked.clone().send()).await;

        match told {
            Ok(_) => {
                self.returns.destroy(key, now());
                Ok(())
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            Err(failure) if failure.kind == FailureKind::KeyGone && is_in_doubt => {
                let message =
                    "its deletion may have been cancelled a moment ago, which the service may not say yet";
                Err(Failure { kind: FailureKind::Unavailable, message: message.to_owned(), ..failure })
            }
            Err(failure) if failure.kind == FailureKind::KeyGone => {
                let facts = self.described(key.as_str(), deadline).await?;
                if facts.is_none_or(|facts| facts.is_leaving()) { Ok(()) } else { Err(failure) }
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Whether no row knows what the service calls the key: then custody calls it by its key-id.
pub(super) fn is_unrecorded(object: &Object) -> bool {
    object.native_id.as_str() == object.key_id.to_string()
}
