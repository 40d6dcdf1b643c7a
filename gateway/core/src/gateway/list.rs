//! Shows keys: to callers what they may list, to everybody what is published.

use std::sync::Arc;

use super::{Context, Gateway};
use crate::audit::{Event, Operation};
use crate::caller::{Caller, Pattern, Verb};
use crate::key::{Key, KeyName, State};
use crate::name::TenantId;
use crate::policy;
use crate::{Error, Result};

impl Gateway {
    /// The active keys that `caller` may list, in the order in which they were made. A failure is recorded; a list
    /// that was given is not an event.
    pub async fn list(self: &Arc<Self>, caller: &Arc<Caller>, context: Context) -> Result<Vec<Arc<Key>>> {
        let mut keys = self.keys(caller, context).await?;
        keys.retain(|key| key.state == State::Active);

        Ok(keys)
    }

    /// The same with those that no longer sign and are not destroyed yet.
    pub async fn keys(self: &Arc<Self>, caller: &Arc<Caller>, context: Context) -> Result<Vec<Arc<Key>>> {
        match self.try_keys(caller).await {
            Ok(keys) => Ok(keys),
            Err(error) => {
                let draft = self.draft(caller, &context, Operation::List);
                self.record(draft, Err(error), context.deadline).await
            }
        }
    }

    async fn try_keys(&self, caller: &Caller) -> Result<Vec<Arc<Key>>> {
        let _admitted = self.admit(caller, 0)?;
        let mut keys = self.keys.list(&caller.tenant).await?;
        keys.retain(|key| is_resolvable(key) && policy::allow(caller, Verb::List, &key.name).is_ok());

        Ok(keys)
    }

    /// One key by its name: the active one, or else the one that was released last.
    pub async fn key(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        name: KeyName,
    ) -> Result<Arc<Key>> {
        match self.try_key(caller, &name).await {
            Ok(key) => Ok(key),
            Err(error) => {
                let draft = Event { key: Some(name), ..self.draft(caller, &context, Operation::List) };
                self.record(draft, Err(error), context.deadline).await
            }
        }
    }

    async fn try_key(&self, caller: &Caller, name: &KeyName) -> Result<Arc<Key>> {
        let _admitted = self.admit(caller, 0)?;
        policy::allow(caller, Verb::List, name)?;

        self.resolvable(caller, name).await
    }

    /// The keys of a tenant whose names match one of `patterns`, active or released: for whoever publishes their public
    /// halves. No caller is asked for; the configuration decides what is published.
    pub async fn published(&self, tenant: &TenantId, patterns: &[Pattern]) -> Result<Vec<Arc<Key>>> {
        let mut keys = self.keys.list(tenant).await?;
        keys.retain(|key| is_resolvable(key) && patterns.iter().any(|pattern| pattern.matches(&key.name)));

        Ok(keys)
    }

    /// The key whose public half a name stands for.
    pub(super) async fn resolvable(&self, caller: &Caller, name: &KeyName) -> Result<Arc<Key>> {
        if let Some(key) = self.keys.active(&caller.tenant, name).await? {
            return Ok(key);
        }

        let keys = self.keys.list(&caller.tenant).await?;
        keys.into_iter()
            .filter(|key| key.name == *name && is_resolvable(key))
            .max_by_key(|key| key.changed)
            .ok_or(Error::KeyNotFound)
    }
}

/// Whether a key's public half is still shown.
fn is_resolvable(key: &Key) -> bool {
    match key.state {
        State::Active | State::Released => true,
        State::Destroying => key.destroy_after.is_some(),
        State::Pending | State::Destroyed => false,
    }
}
