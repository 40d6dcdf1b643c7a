//! Restores a key that was released, or destroyed.

use std::sync::Arc;

use super::record::note;
use super::{Context, Gateway};
use crate::audit::{Event, Operation, Outcome};
use crate::caller::{Caller, Verb};
use crate::key::{Key, KeyId, KeyName, State};
use crate::policy;
use crate::quota::Admitted;
use crate::{Error, Result};

impl Gateway {
    /// Makes the key of this name and id sign again, unless its name was taken. A released one does at once; one that was
    /// destroyed, if its custodian still has it, and then making has its bound: at the caller's deadline only the waiting ends.
    /// While its destruction is under way nothing is restored.
    ///
    /// The event comes before the row: what a key may do never exceeds what the log says.
    pub async fn restore(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        (name, id): (KeyName, KeyId),
    ) -> Result<Arc<Key>> {
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));

        let deadline = context.deadline;
        let work = Box::pin(async move {
            let mut draft = Event { key: Some(name), ..gateway.draft(&caller, &context, Operation::Restore) };
            match gateway.restorable(&mut draft, &caller, id).await {
                Ok((key, _admitted)) if key.state == State::Destroyed => {
                    gateway.reclaim(draft, &caller, &key).await
                }
                Ok((key, _admitted)) => gateway.restore_and_record(draft, &key, &context).await,
                Err(error) => gateway.record(draft, Err(error), context.deadline).await,
            }
        });

        self.detached(deadline, work).await
    }

    /// The key of the draft's name and this id, released or destroyed.
    async fn restorable(
        &self,
        draft: &mut Event,
        caller: &Caller,
        id: KeyId,
    ) -> Result<(Arc<Key>, Admitted)> {
        draft.key_id = Some(id);
        let admitted = self.admit(caller, 0)?;
        let name = draft.key.clone().ok_or(Error::KeyNotFound)?;
        policy::allow(caller, Verb::Restore, &name)?;
        let key = self.keys.key(&caller.tenant, id).await?;
        let key = key.filter(|key| key.name == name).ok_or(Error::KeyNotFound)?;
        if let Ok(versions) = self.tenants().provider(&caller.tenant, &key.provider) {
            note(draft, &key, versions.serving());
        }

        match key.state {
            State::Released => (),
            State::Destroyed if was_in_use(&key) => (),
            State::Active => return Err(Error::KeyExists),
            State::Pending | State::Destroying | State::Destroyed => return Err(Error::KeyNotFound),
        }
        match self.keys.active(&caller.tenant, &name).await? {
            Some(_) => Err(Error::KeyExists),
            None => Ok((key, admitted)),
        }
    }

    async fn restore_and_record(&self, draft: Event, key: &Key, context: &Context) -> Result<Arc<Key>> {
        let event = Event { outcome: Outcome::Ok, ..draft.clone() };
        let event = self.append(event, context.deadline).await?;
        let restored = key.restored(event, self.outside.clock.wall());
        if self.keys.update(&key.tenant, std::slice::from_ref(&restored)).await? {
            return Ok(Arc::new(Key { revision: restored.revision + 1, ..restored }));
        }

        let draft = Event { detail: Some("the key changed while it was restored".to_owned()), ..draft };
        self.record(draft, Err(Error::KeyExists), context.deadline).await
    }
}

/// Whether a destroyed key once signed for callers, and its destruction is over and on record. A registered one was never
/// destroyed at its custodian, and is registered anew; one whose creation failed never was anybody's.
fn was_in_use(key: &Key) -> bool {
    !key.registered && key.destroy_after.is_some() && key.event.is_some()
}
