//! Restores a destroyed key, which its custodian still has.
//!
//! The row goes from `destroyed` to `destroying` before the custodian is asked, and to `active` after the event. So it is
//! `destroying` for as long as nobody knows whether the custodian has the key again: whatever fails, and wherever a crash comes,
//! the reaper has it destroyed once more, and no key is ever alive of which no row knows. Straight from `destroyed` to `active`,
//! a crash in between would leave one. The claim keeps the reaper off meanwhile, and is lost with the process.
//!
//! | a crash after | leaves | and then |
//! |---|---|---|
//! | the intent | `destroyed` | the intent is closed as unknown |
//! | the row's first change | `destroying` | the reaper destroys what is destroyed already |
//! | the custodian's answer | `destroying`, and a key that could sign | the reaper destroys it: its time there begins anew |
//! | the event | the same, and a restore on record | the same, with a destruction on record after it |
//!
//! After each of them the key is `destroyed`, and can be restored again. The provider's component is not asked: see custody.

use std::sync::Arc;
use std::time::Instant;

use super::Gateway;
use super::record::note_words;
use super::reload::missing;
use super::sign::meaning;
use crate::audit::{Event, Outcome};
use crate::caller::Caller;
use crate::failure::{Failure, FailureKind};
use crate::key::Key;
use crate::{Error, Result};

impl Gateway {
    /// Has the custodian restore a destroyed key, and then has it sign. What fails leaves it destroyed.
    pub(super) async fn reclaim(&self, mut draft: Event, caller: &Caller, key: &Key) -> Result<Arc<Key>> {
        let deadline = self.outside.clock.now() + self.options.create_timeout;

        match self.try_reclaim(&mut draft, caller, key, deadline).await {
            Ok(key) => Ok(key),
            Err(error) => self.record(draft, Err(error), deadline).await,
        }
    }

    async fn try_reclaim(
        &self,
        draft: &mut Event,
        caller: &Caller,
        key: &Key,
        deadline: Instant,
    ) -> Result<Arc<Key>> {
        let claim = self.claims.claim(key.id);
        let claim = claim.ok_or_else(|| Error::unavailable("another request restores the key"))?;
        self.check_reclaimable(draft, caller, key).await?;
        let tenants = self.tenants();
        let versions = tenants.provider(&key.tenant, &key.provider)?;
        self.announce(draft, versions.serving(), deadline).await?;

        let begun = key.destroying(self.outside.clock.wall());
        if !self.keys.update(&key.tenant, std::slice::from_ref(&begun)).await? {
            return Err(changed(draft));
        }
        let begun = Key { revision: begun.revision + 1, ..begun };
        let reclaimed = self.bring_back(draft, &begun, deadline).await;
        drop(claim);
        if reclaimed.is_err() {
            self.undo(&key.tenant, key.id, false).await;
        }
        reclaimed
    }

    /// Refuses where there is no room for the key, nobody would serve it, or no custodian could bring it back.
    async fn check_reclaimable(&self, draft: &mut Event, caller: &Caller, key: &Key) -> Result<()> {
        let tenants = self.tenants();
        self.room_for_one_more(caller, tenants.tenant(&key.tenant)?).await?;
        let restored = key.restored(0, self.outside.clock.wall());
        if let Some(missing) = missing(&tenants, &restored) {
            return Err(Error::Misconfigured(Arc::new(missing)));
        }

        if self.custody.restores(key) {
            return Ok(());
        }
        draft.detail = Some("what its custodian destroys is gone".to_owned());
        Err(Error::Unsupported)
    }

    /// Asks the custodian, makes the event durable, and then has the key sign.
    async fn bring_back(&self, draft: &mut Event, key: &Key, deadline: Instant) -> Result<Arc<Key>> {
        draft.attempts = 1;
        if let Err(failure) = self.custody.restore(key, deadline).await {
            note_words(draft, &failure);
            return Err(not_restored(failure));
        }

        draft.detail = Some("had been destroyed".to_owned());
        let event = Event { outcome: Outcome::Ok, ..draft.clone() };
        let event = self.append(event, deadline).await?;
        let active = key.restored(event, self.outside.clock.wall());
        if self.keys.update(&key.tenant, std::slice::from_ref(&active)).await? {
            return Ok(Arc::new(Key { revision: active.revision + 1, ..active }));
        }
        Err(changed(draft))
    }
}

fn changed(draft: &mut Event) -> Error {
    draft.detail = Some("its name or its object is another key's by now, or it changed".to_owned());

    Error::KeyExists
}

/// What a custodian's failure to restore a key means to the caller.
fn not_restored(failure: Failure) -> Error {
    match failure.kind {
        // Nothing of it is left.
        FailureKind::NotFound | FailureKind::KeyGone => Error::KeyNotFound,
        FailureKind::Unsupported => Error::Unsupported,
        FailureKind::InvalidArgument
        | FailureKind::Exists
        | FailureKind::Denied
        | FailureKind::Credentials
        | FailureKind::OperatorNeeded
        | FailureKind::Throttled
        | FailureKind::Unavailable
        | FailureKind::Internal
        | FailureKind::Other => meaning(failure),
    }
}

#[cfg(test)]
mod tests;
