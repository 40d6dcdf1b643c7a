//! Makes keys: row first, then the custodian, then the event, and only then the name.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::creates::{Joined, Outcomes};
use super::{Context, Gateway, Tenant};
use crate::audit::{Event, Operation, Outcome};
use crate::caller::{Caller, Verb};
use crate::import::Material;
use crate::key::{Handle, Key, KeyId, KeyName, State};
use crate::name::{ProviderName, TenantId};
use crate::policy;
use crate::provider::Loaded;
use crate::scheme::KeyType;
use crate::{Error, Result};

/// A key that a caller asks for.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// What it shall be called.
    pub name: KeyName,
    /// Where its key pair comes from.
    pub source: Source,
    /// Whether it takes digests as messages: [`Key::digest_as_message`].
    pub digest_as_message: bool,
    /// The provider that is to have it; `None` is the tenant's choice for such a name.
    pub provider: Option<ProviderName>,
    /// What happens where an active key has that name.
    pub on_duplicate: OnDuplicate,
}

/// Where a new key's pair comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The custodian makes one of this type.
    Generate(KeyType),
    /// It was made elsewhere, and the custodian takes it over.
    Import(Material),
}

impl Source {
    /// The kind of key pair.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Generate(key_type) => *key_type,
            Self::Import(material) => material.key_type(),
        }
    }

    fn verb(&self) -> Verb {
        match self {
            Self::Generate(_) => Verb::Create,
            Self::Import(_) => Verb::Import,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::Generate(_) => Operation::Create,
            Self::Import(_) => Operation::Import,
        }
    }
}

/// What happens to a create where an active key has the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnDuplicate {
    /// It is refused.
    Conflict,
    /// The name moves to the new key and the old one is released; needs the right to release.
    Replace,
    /// The existing key is the answer, if it has the type that was asked for.
    Return,
}

/// Who wants which key, and in which request.
pub(super) struct Wanted<'a> {
    pub(super) caller: &'a Caller,
    pub(super) context: &'a Context,
    pub(super) request: &'a CreateRequest,
}

impl Gateway {
    /// Makes a key for `caller`.
    ///
    /// Making has a bound of its own: at the caller's deadline only the waiting ends, and asking again for the same
    /// name and type joins what is under way, or takes what was finished in the last ten minutes and never delivered.
    pub async fn create(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        request: CreateRequest,
    ) -> Result<Arc<Key>> {
        if let Err(error) =
            policy::allow_create(caller, request.source.verb(), &request.name, request.source.key_type())
        {
            return self.refuse_create(caller, &context, &request, error).await;
        }
        let now = self.outside.clock.now();
        if let Some(key) = self.creates.undelivered(&caller.tenant, &request, now)
            && self
                .keys
                .active(&caller.tenant, &request.name)
                .await?
                .is_some_and(|active| active.id == key.id)
        {
            self.creates.delivered(&caller.tenant, &request.name, key.id);
            return Ok(key);
        }

        let mut outcome = match self.creates.join(&caller.tenant, &request) {
            Joined::UnderWay(outcome) => outcome,
            Joined::Other => {
                return self.refuse_create(caller, &context, &request, Error::KeyExists).await;
            }
            Joined::First(outcome) => self.begin(caller, &context, &request, outcome),
        };
        let made = self.outside.within(context.deadline, outcome.wait_for(Option::is_some)).await;
        match made.map(|made| made.map(|made| made.clone())) {
            Some(Ok(Some(Ok(key)))) => {
                self.creates.delivered(&caller.tenant, &request.name, key.id);
                Ok(key)
            }
            Some(Ok(Some(Err(error)))) => Err(error),
            Some(Ok(None) | Err(_)) => Err(Error::internal("the create's task was lost")),
            None => Err(Error::unavailable("the key is still being made")),
        }
    }

    async fn refuse_create<T>(
        &self,
        caller: &Caller,
        context: &Context,
        request: &CreateRequest,
        error: Error,
    ) -> Result<T> {
        let draft = Event {
            key: Some(request.name.clone()),
            ..self.draft(caller, context, request.source.operation())
        };

        self.record(draft, Err(error), context.deadline).await
    }

    fn begin(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: &Context,
        request: &CreateRequest,
        outcome: watch::Sender<Option<Result<Arc<Key>>>>,
    ) -> Outcomes {
        let receiver = outcome.subscribe();
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));
        let context =
            Context { deadline: self.outside.clock.now() + self.options.create_timeout, ..context.clone() };
        let request = request.clone();
        let under_way =
            UnderWay { gateway: Arc::clone(self), tenant: caller.tenant.clone(), name: request.name.clone() };

        self.outside.tasks.spawn(Box::pin(async move {
            let mut draft = gateway.draft(&caller, &context, request.source.operation());
            let wanted = Wanted { caller: &caller, context: &context, request: &request };
            let made = match gateway.try_create(&mut draft, &wanted).await {
                Ok(key) => Ok(key),
                Err(error) => gateway.record(draft, Err(error), context.deadline).await,
            };
            gateway.creates.finished(&caller.tenant, &request.name, &made, gateway.outside.clock.now());
            outcome.send_replace(Some(made));
            drop(under_way);
        }));

        receiver
    }

    async fn try_create(&self, draft: &mut Event, wanted: &Wanted<'_>) -> Result<Arc<Key>> {
        let Wanted { caller, context, request } = *wanted;
        draft.key = Some(request.name.clone());
        let _admitted = self.admit(caller, 0)?;
        let existing = self.keys.active(&caller.tenant, &request.name).await?;
        if let Some(existing) = &existing
            && let Some(answer) = duplicate(caller, request, existing)?
        {
            return self.return_existing(draft, answer, context).await;
        }

        let tenants = self.tenants();
        self.room_for_one_more(caller, tenants.tenant(&caller.tenant)?).await?;
        let versions = tenants.for_new(&caller.tenant, &request.name, request.provider.as_ref())?;
        let loaded = versions.pick();
        draft.provider = Some(loaded.name.clone());
        draft.component = Some(loaded.component.clone());
        if !loaded.descriptor.makes(request.source.key_type()) || !can(loaded, &request.source) {
            return Err(Error::Unsupported);
        }

        let pending = Key::pending(
            caller.tenant.clone(),
            request.name.clone(),
            KeyId::random(&*self.outside.random),
            request.source.key_type(),
            (loaded.name.clone(), self.outside.clock.wall()),
        )
        .taking_digests(request.digest_as_message)?;
        draft.key_id = Some(pending.id);
        self.keys.insert(&caller.tenant, &pending).await?;

        let id = pending.id;
        let made = self.make(draft, wanted, (versions, loaded), pending).await;
        let activated = match made {
            Ok((key, handle)) => self.activate(draft, wanted, (key, handle), existing).await,
            Err(error) => Err(error),
        };
        if activated.is_err() {
            self.undo(&caller.tenant, id, false).await;
        }
        activated
    }

    /// Refuses where the tenant has as many keys as it may have; every key counts until it is destroyed.
    pub(super) async fn room_for_one_more(&self, caller: &Caller, tenant: &Tenant) -> Result<()> {
        let Some(most) = tenant.keys else { return Ok(()) };
        let keys = self.keys.list(&caller.tenant).await?;

        if keys.iter().filter(|key| key.state != State::Destroyed).count() < most {
            Ok(())
        } else {
            Err(Error::Throttled { retry_after: NO_ROOM })
        }
    }

    /// Answers a create with the key that is there.
    async fn return_existing(&self, draft: &Event, key: Arc<Key>, context: &Context) -> Result<Arc<Key>> {
        let mut event = Event { outcome: Outcome::Ok, ..draft.clone() }.about(&key);
        event.detail = Some("the key was there".to_owned());
        self.append(event, context.deadline).await?;

        Ok(key)
    }

    /// Makes the create event durable, then moves the name, then releases what had it.
    async fn activate(
        &self,
        draft: &Event,
        wanted: &Wanted<'_>,
        (key, handle): (Key, Option<Handle>),
        replaced: Option<Arc<Key>>,
    ) -> Result<Arc<Key>> {
        let Wanted { caller, context, .. } = *wanted;
        let event = Event { outcome: Outcome::Ok, ..draft.clone() };
        let event = self.append(event, context.deadline).await?;
        let active = key.activated(handle, event, self.outside.clock.wall());
        let released = replaced.map(|key| self.released(caller, &key)).transpose()?;

        let rows: Vec<Key> = released.iter().chain(std::iter::once(&active)).cloned().collect();
        if !self.keys.update(&key.tenant, &rows).await? {
            return Err(Error::KeyExists);
        }
        if let Some(released) = released {
            self.record_replaced(caller, context, released).await;
        }

        Ok(Arc::new(Key { revision: active.revision + 1, ..active }))
    }

    /// Records that a key was released because another took its name. If the log fails now, the reaper records it.
    async fn record_replaced(&self, caller: &Caller, context: &Context, released: Key) {
        let mut draft = self.draft(caller, context, Operation::Release).about(&released);
        draft.detail = Some("replaced".to_owned());
        let stored = Key { revision: released.revision + 1, ..released };

        if let Err(error) = self.record_change(draft, Ok(()), Some(stored), context.deadline).await {
            tracing::warn!(error = %error.detail(), "the release of a replaced key is not recorded yet");
        }
    }
}

/// Whether a provider can get a key pair from there at all.
fn can(loaded: &Loaded, source: &Source) -> bool {
    match source {
        Source::Generate(_) => true,
        Source::Import(_) => loaded.imports,
    }
}

/// What a create comes to where an active key has the name: that key, a refusal, or (`None`) a replacement.
fn duplicate(caller: &Caller, request: &CreateRequest, existing: &Arc<Key>) -> Result<Option<Arc<Key>>> {
    match request.on_duplicate {
        OnDuplicate::Return
            if existing.key_type == request.source.key_type()
                && existing.digest_as_message == request.digest_as_message
                && request.source.verb() == Verb::Create =>
        {
            Ok(Some(Arc::clone(existing)))
        }
        OnDuplicate::Conflict | OnDuplicate::Return => Err(Error::KeyExists),
        OnDuplicate::Replace => policy::allow(caller, Verb::Release, &request.name).map(|()| None),
    }
}

/// Frees the name for another create even where this one's task panics.
struct UnderWay {
    gateway: Arc<Gateway>,
    tenant: TenantId,
    name: KeyName,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.gateway.creates.abandoned(&self.tenant, &self.name);
    }
}

/// When to come back where a tenant has all the keys it may have: some have to be destroyed first.
const NO_ROOM: Duration = Duration::from_secs(60);
