//! Takes up key pairs that somebody else made and that are at a custodian already.

use std::sync::Arc;
use std::time::Instant;

use super::record::note;
use super::sign::meaning;
use super::{Context, Gateway};
use crate::audit::{Event, Operation, Outcome};
use crate::backend::Generated;
use crate::caller::{Caller, Verb};
use crate::failure::{Failure, FailureKind};
use crate::key::{Key, KeyId, KeyName, State};
use crate::name::{ConnectionName, ProviderName};
use crate::policy;
use crate::provider::Loaded;
use crate::{Error, Result};

/// A key pair that is to be taken up.
#[derive(Clone, Debug)]
pub struct RegisterRequest {
    /// What it shall be called.
    pub name: KeyName,
    /// What its custodian calls it, as [`Backend::locate`](crate::backend::Backend::locate) takes it.
    pub object: String,
    /// Whether it takes digests as messages: [`Key::digest_as_message`].
    pub digest_as_message: bool,
    /// The provider that is to serve it; `None` is the tenant's choice for such a name.
    pub provider: Option<ProviderName>,
}

impl Gateway {
    /// Takes up a key pair that is at a custodian already, for a caller whose provider is granted that object.
    ///
    /// What custody records of it is what the custodian says; no provider has a part in it. The gateway never destroys
    /// such an object: at the end of its grace period only the row goes.
    pub async fn register(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        request: RegisterRequest,
    ) -> Result<Arc<Key>> {
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));

        let deadline = context.deadline;
        let work = Box::pin(async move {
            let mut draft = gateway.draft(&caller, &context, Operation::Register);
            draft.key = Some(request.name.clone());
            draft.detail = Some(format!("object `{}`", request.object));
            match gateway.pending_registration(&mut draft, &caller, &request, deadline).await {
                Ok(key) => gateway.activate_registered(draft, key, deadline).await,
                Err(error) => gateway.record(draft, Err(error), deadline).await,
            }
        });

        self.detached(deadline, work).await
    }

    /// The pending row of the object, stored.
    async fn pending_registration(
        &self,
        draft: &mut Event,
        caller: &Caller,
        request: &RegisterRequest,
        deadline: Instant,
    ) -> Result<Key> {
        policy::allow(caller, Verb::Register, &request.name)?;
        let _admitted = self.admit(caller, 0)?;
        if self.keys.active(&caller.tenant, &request.name).await?.is_some() {
            return Err(Error::KeyExists);
        }
        let tenants = self.tenants();
        self.room_for_one_more(caller, tenants.tenant(&caller.tenant)?).await?;
        let versions = tenants.for_new(&caller.tenant, &request.name, request.provider.as_ref())?;
        let loaded = versions.serving();

        let connection = granted(loaded, &request.object)?;
        let located =
            self.custody.locate(connection, &request.object, deadline).await.map_err(not_located)?;
        let key_type = located.public.key_type();
        policy::allow_create(caller, Verb::Register, &request.name, key_type)?;
        if !loaded.descriptor.makes(key_type) {
            return Err(Error::Unsupported);
        }

        let Generated { native_id, public } = located;
        let id = KeyId::random(&*self.outside.random);
        let owner = (loaded.name.clone(), self.outside.clock.wall());
        let key = Key::pending(caller.tenant.clone(), request.name.clone(), id, key_type, owner)
            .taking_digests(request.digest_as_message)?
            .registered(connection.clone(), native_id, public);
        note(draft, &key, loaded);
        self.custody.prove(&key, deadline).await.map_err(not_proven)?;
        self.insert_registered(&key).await?;
        Ok(key)
    }

    async fn insert_registered(&self, key: &Key) -> Result<()> {
        let inserted = self.keys.insert(&key.tenant, key).await;
        if !matches!(inserted, Err(Error::KeyExists)) {
            return inserted;
        }

        let keys = self.keys.list(&key.tenant).await?;
        let is_being_made = keys.iter().any(|other| other.name == key.name && other.state == State::Pending);
        // Whose key has the object is not said: it may be another tenant's.
        Err(if is_being_made { Error::KeyExists } else { Error::invalid("object", "is a key's already") })
    }

    /// Makes the event durable, and then has the key sign.
    async fn activate_registered(&self, draft: Event, key: Key, deadline: Instant) -> Result<Arc<Key>> {
        let event = Event { outcome: Outcome::Ok, ..draft.clone() };
        let event = match self.append(event, deadline).await {
            Ok(event) => event,
            Err(error) => {
                self.undo(&key.tenant, key.id, false).await;
                return Err(error);
            }
        };

        let active = key.activated(None, event, self.outside.clock.wall());
        if self.keys.update(&key.tenant, std::slice::from_ref(&active)).await? {
            return Ok(Arc::new(Key { revision: active.revision + 1, ..active }));
        }
        self.undo(&key.tenant, key.id, false).await;
        self.record(draft, Err(Error::KeyExists), deadline).await
    }
}

/// The connection on which a provider is granted this object, though it did not make it.
fn granted<'l>(loaded: &'l Loaded, object: &str) -> Result<&'l ConnectionName> {
    let grant = loaded.grants.iter().find(|grant| grant.objects.iter().any(|some| some.matches_text(object)));

    if grant.is_none() {
        let provider = &loaded.name;
        tracing::info!(%provider, object, "not registered: add the object to `objects` in a grant of the provider");
    }
    grant.map(|grant| &grant.connection).ok_or(Error::Forbidden)
}

fn not_located(failure: Failure) -> Error {
    match failure.kind {
        FailureKind::NotFound => Error::invalid("object", "the custodian has no such key pair"),
        FailureKind::InvalidArgument => {
            Error::invalid("object", "is no name of a key pair that can be used, or means several")
        }
        FailureKind::Unsupported => Error::Unsupported,
        FailureKind::KeyGone
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

fn not_proven(failure: Failure) -> Error {
    if !matches!(failure.kind, FailureKind::NotFound | FailureKind::InvalidArgument) {
        return not_located(failure);
    }

    tracing::info!(%failure, "not registered: its connection's replicas must have the same key");
    Error::invalid("object", "is another key, or none, at a replica of its connection")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;
    use crate::gateway::OnDuplicate;
    use crate::testing::{World, caller, key_name};

    /// A token with the object `ca`, and a provider that is granted the objects of this pattern.
    fn world(granted: &str) -> World {
        let world = World::with(|grant| grant.objects.push(granted.parse().unwrap()));
        world.backend.add("ca");
        world
    }

    #[tokio::test]
    async fn only_an_ed25519_pair_is_registered_to_take_digests_as_messages() {
        let world = world("id:ca");
        let request = RegisterRequest {
            name: key_name("ca"),
            object: "id:ca".to_owned(),
            digest_as_message: true,
            provider: None,
        };

        let refused = world.gateway.register(&world.caller, world.context(), request).await;
        assert!(matches!(refused, Err(Error::InvalidRequest { field: "digests", .. })));
        register(&world, "ca", "id:ca").await.unwrap();
    }

    async fn register(world: &World, name: &str, object: &str) -> Result<Arc<Key>> {
        let request = RegisterRequest {
            name: key_name(name),
            object: object.to_owned(),
            digest_as_message: false,
            provider: None,
        };

        world.gateway.register(&world.caller, world.context(), request).await
    }

    #[tokio::test]
    async fn a_key_is_registered_only_if_every_replica_has_it() {
        let (world, replica) = World::replicated();
        world.backend.add("ca");
        let refused = async || register(&world, "a", "id:ca").await.unwrap_err();

        assert!(matches!(refused().await, Error::InvalidRequest { .. }));
        replica.add("ca");
        assert!(matches!(refused().await, Error::InvalidRequest { .. }));

        world.backend.copy_to(&replica);
        register(&world, "a", "id:ca").await.unwrap();
    }

    #[tokio::test]
    async fn a_registered_key_signs_and_its_object_outlives_it() {
        let world = world("id:*");

        let key = register(&world, "a", "id:ca").await.unwrap();
        assert_eq!(key.native_id.as_ref().unwrap().as_str(), "ca");
        assert_eq!(world.sign("a").await.unwrap().key.public, key.public);

        world.gateway.delete(&world.caller, world.context(), key_name("a"), Duration::ZERO).await.unwrap();
        world.gateway.reap().await.unwrap();
        assert_eq!(world.keys.0.lock().unwrap()[0].state, State::Destroyed);
        assert!(world.backend.objects.lock().unwrap().contains_key("ca"));
        assert_eq!(world.events(Operation::Register), ["ok"]);

        register(&world, "a", "id:ca").await.unwrap();
    }

    #[tokio::test]
    async fn what_is_not_granted_is_not_even_looked_for() {
        let world = world("id:cb*");

        assert!(matches!(register(&world, "a", "id:ca").await, Err(Error::Forbidden)));
        assert!(matches!(register(&world, "a", "id:none").await, Err(Error::Forbidden)));
        assert_eq!(world.backend.looked_for.load(Ordering::Relaxed), 0);
        assert_eq!(world.events(Operation::Register), ["refused:forbidden", "refused:forbidden"]);
    }

    #[tokio::test]
    async fn an_object_is_one_keys_over_all_tenants() {
        let mut world = world("*");
        register(&world, "a", "id:ca").await.unwrap();

        let refused = |outcome| matches!(outcome, Err(Error::InvalidRequest { field: "object", .. }));
        assert!(refused(register(&world, "b", "id:ca").await));
        world.caller = caller("globex");
        assert!(refused(register(&world, "a", "id:ca").await));
    }

    #[tokio::test]
    async fn a_name_that_is_taken_keeps_its_key() {
        let world = world("*");
        let made = world.create("a", OnDuplicate::Conflict).await.unwrap();

        assert!(matches!(register(&world, "a", "id:ca").await, Err(Error::KeyExists)));
        assert_eq!(world.sign("a").await.unwrap().key.id, made.id);
    }

    #[tokio::test]
    async fn an_object_that_is_not_there_is_the_callers_mistake() {
        let world = world("*");

        let refused = register(&world, "a", "id:cb").await;
        assert!(matches!(refused, Err(Error::InvalidRequest { field: "object", .. })), "{refused:?}");
        assert!(world.keys.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_registration_that_cannot_be_recorded_leaves_nothing_but_the_object() {
        let world = world("*");
        *world.audit.refusing.lock().unwrap() = Some((Operation::Register, Outcome::Ok));

        assert!(matches!(register(&world, "a", "id:ca").await, Err(Error::Unavailable { .. })));
        assert!(matches!(world.sign("a").await, Err(Error::KeyNotFound)));
        assert!(world.backend.objects.lock().unwrap().contains_key("ca"));
    }
}
