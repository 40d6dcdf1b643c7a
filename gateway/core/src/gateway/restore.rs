//! Restores a released key.

use std::sync::Arc;

use super::record::note;
use super::{Context, Gateway};
use crate::audit::{Event, Operation, Outcome};
use crate::caller::{Caller, Verb};
use crate::key::{Key, KeyId, State};
use crate::policy;
use crate::{Error, Result};

impl Gateway {
    /// Makes a released key sign again, unless its name was taken or its destruction has begun.
    ///
    /// The event comes before the row: what a key may do never exceeds what the log says.
    pub async fn restore(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        id: KeyId,
    ) -> Result<Arc<Key>> {
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));

        let deadline = context.deadline;
        let work = Box::pin(async move {
            let mut draft = gateway.draft(&caller, &context, Operation::Restore);
            let restorable = gateway.restorable(&mut draft, &caller, id).await;
            match restorable {
                Ok(key) => gateway.restore_and_record(draft, &key, &context).await,
                Err(error) => gateway.record(draft, Err(error), context.deadline).await,
            }
        });

        self.detached(deadline, work).await
    }

    async fn restorable(&self, draft: &mut Event, caller: &Caller, id: KeyId) -> Result<Arc<Key>> {
        draft.key_id = Some(id);
        let _admitted = self.admit(caller, 0)?;
        let key = self.keys.key(&caller.tenant, id).await?.ok_or(Error::KeyNotFound)?;
        policy::allow(caller, Verb::Restore, &key.name)?;
        if let Ok(versions) = self.tenants().provider(&caller.tenant, &key.provider) {
            note(draft, &key, versions.serving());
        }

        match key.state {
            State::Released if self.keys.active(&caller.tenant, &key.name).await?.is_some() => {
                Err(Error::KeyExists)
            }
            State::Released => Ok(key),
            State::Active => Err(Error::KeyExists),
            State::Pending | State::Destroying | State::Destroyed => Err(Error::KeyNotFound),
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
