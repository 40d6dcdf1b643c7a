//! Releases and deletes keys: they sign no more, and are destroyed when their grace period is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::record::note;
use super::sign::has_been_released;
use super::{Context, Gateway};
use crate::audit::{Event, Operation};
use crate::caller::{Caller, Verb};
use crate::key::{Key, KeyName};
use crate::policy;
use crate::{Error, Result};

impl Gateway {
    /// Releases the active key of a name. Releasing it again is well.
    ///
    /// The row changes before the event: what a key may do never exceeds what the log says. A release whose event could
    /// not be written is recorded later, as `recovered`.
    pub async fn release(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        name: KeyName,
    ) -> Result<()> {
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));

        let deadline = context.deadline;
        let work = Box::pin(async move {
            let mut draft = gateway.draft(&caller, &context, Operation::Release);
            let released = gateway.try_release(&mut draft, &caller, &name).await;
            let key = released.as_ref().ok().cloned().flatten();
            gateway.record_change(draft, released, key, context.deadline).await
        });

        self.detached(deadline, work).await
    }

    /// Deletes the active key of a name: it signs no more at once, and is destroyed after `grace`. Answers whether there
    /// was one, which is recorded either way.
    pub async fn delete(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        name: KeyName,
        grace: Duration,
    ) -> Result<bool> {
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));

        let deadline = context.deadline;
        let work = Box::pin(async move {
            let mut draft = gateway.draft(&caller, &context, Operation::Delete);
            let deleted = gateway.try_delete(&mut draft, &caller, &name, grace).await;
            let key = deleted.as_ref().ok().cloned().flatten();
            let existed = key.is_some();
            gateway.record_change(draft, deleted, key, context.deadline).await?;
            Ok(existed)
        });

        self.detached(deadline, work).await
    }

    async fn try_delete(
        &self,
        draft: &mut Event,
        caller: &Caller,
        name: &KeyName,
        grace: Duration,
    ) -> Result<Option<Key>> {
        draft.key = Some(name.clone());
        let _admitted = self.admit(caller, 0)?;
        policy::allow(caller, Verb::Delete, name)?;

        for _ in 0..ATTEMPTS {
            let Some(key) = self.keys.active(&caller.tenant, name).await? else {
                draft.detail = Some("there was none".to_owned());
                return Ok(None);
            };
            if let Some(released) = self.give_away(draft, caller, &key, grace).await? {
                return Ok(Some(released));
            }
        }
        Err(changes_too_often())
    }

    /// The row of the key released now; `None` where it had been released before.
    async fn try_release(&self, draft: &mut Event, caller: &Caller, name: &KeyName) -> Result<Option<Key>> {
        draft.key = Some(name.clone());
        let _admitted = self.admit(caller, 0)?;
        policy::allow(caller, Verb::Release, name)?;
        let grace = self.tenants().tenant(&caller.tenant)?.grace;

        for _ in 0..ATTEMPTS {
            let Some(key) = self.keys.active(&caller.tenant, name).await? else {
                let keys = self.keys.list(&caller.tenant).await?;
                let before = keys.iter().any(|key| key.name == *name && has_been_released(key));
                draft.detail = Some("had been released before".to_owned());
                return before.then_some(None).ok_or(Error::KeyNotFound);
            };
            if let Some(released) = self.give_away(draft, caller, &key, grace).await? {
                return Ok(Some(released));
            }
        }
        Err(changes_too_often())
    }

    /// Takes an active key to `released`, to be destroyed after `grace`; `None` where somebody else changed it first,
    /// who may have released it just so.
    async fn give_away(
        &self,
        draft: &mut Event,
        caller: &Caller,
        key: &Key,
        grace: Duration,
    ) -> Result<Option<Key>> {
        if let Ok(versions) = self.tenants().provider(&caller.tenant, &key.provider) {
            note(draft, key, versions.serving());
        }

        let now = self.outside.clock.wall();
        let released = key.released(now, now.plus(grace));
        let is_written = self.keys.update(&caller.tenant, std::slice::from_ref(&released)).await?;
        Ok(is_written.then(|| Key { revision: released.revision + 1, ..released }))
    }

    /// The row of `key` once it is released.
    pub(super) fn released(&self, caller: &Caller, key: &Key) -> Result<Key> {
        let now = self.outside.clock.wall();
        let grace = self.tenants().tenant(&caller.tenant)?.grace;

        Ok(key.released(now, now.plus(grace)))
    }

    /// Records the event of a change that is already in `key`'s row, and then its sequence there.
    pub(super) async fn record_change<T>(
        &self,
        draft: Event,
        outcome: Result<T>,
        key: Option<Key>,
        deadline: Instant,
    ) -> Result<()> {
        let Some(key) = key else {
            return self.record(draft, outcome.map(drop), deadline).await;
        };

        let event = Event { outcome: crate::audit::Outcome::Ok, ..draft };
        let event = self.append(event, deadline).await?;
        if !self.keys.update(&key.tenant, &[key.recorded(event)]).await? {
            tracing::warn!(key_id = %key.id, "the row changed before its event was noted in it");
        }
        Ok(())
    }
}

fn changes_too_often() -> Error {
    Error::unavailable("the key changed while it was released")
}

/// How often a key is looked up again that somebody else changed just then.
const ATTEMPTS: usize = 4;
