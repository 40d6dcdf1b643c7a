//! Connections that hold the same key material: one is asked, the others only when it cannot answer.
//!
//! Every region of a multi-region key, every member of a cluster, every token that the same key was imported to signs alike, so
//! any of them may take over. Connections that hold different keys never can: a key is registered only if all of them have
//! its public half, and what a replica signed is verified with that before anybody gets it.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::future::join_all;

use super::{Custody, Mechanism, object};
use crate::Error;
use crate::backend::{Backend, KeyState, Object};
use crate::failure::{Failure, FailureKind};
use crate::key::{Key, NativeId};
use crate::name::ConnectionName;
use crate::policy::Signing;
use crate::signature::Signature;

/// Which connections stand in for which, in this order.
pub type Replicas = HashMap<ConnectionName, Vec<ConnectionName>>;

/// A signature, and the replica that made it, if one had to.
pub(super) type Made = (Signature, Option<ConnectionName>);

impl Custody {
    /// Has `input` signed: by the connection's custodian, or where that cannot, by the first replica that can.
    pub(super) async fn made(
        &self,
        connection: &ConnectionName,
        (object, mechanism, input): (&Object, Mechanism, &[u8]),
        wanted: &Signing,
        deadline: Instant,
    ) -> Result<Made, Failure> {
        let (backend, replicas) = (self.backend(connection)?, self.replicas(connection));
        let own = if replicas.is_empty() { deadline } else { self.half(deadline) };
        let first = match signed(&*backend, (object, mechanism, input), own).await {
            Ok(signature) if backend.is_verified() => {
                return Ok((verified(&*backend, object, wanted, signature).await?, None));
            }
            Ok(signature) => return Ok((signature, None)),
            Err(failure) if can_be_made_elsewhere(failure.kind) => failure,
            Err(failure) => return Err(failure),
        };

        for replica in replicas {
            let backend = self.backend(replica)?;
            let here = counterpart(&*backend, object);
            let signature = signed(&*backend, (&here, mechanism, input), self.half(deadline)).await;
            let outcome = match signature {
                Ok(signature) => verified(&*backend, &here, wanted, signature).await,
                Err(failure) => Err(failure),
            };
            let key_id = object.key_id;
            match outcome {
                Ok(signature) => {
                    tracing::warn!(%connection, %replica, %key_id, %first, "a replica signed");
                    return Ok((signature, Some(replica.clone())));
                }
                Err(failure) => {
                    tracing::warn!(%connection, %replica, %key_id, %failure, "a replica did not sign either");
                }
            }
        }
        Err(first)
    }

    /// Destroys an object everywhere: replicas first, as a multi-region key cannot go before they have.
    pub(super) async fn destroyed(
        &self,
        connection: &ConnectionName,
        object: &Object,
        deadline: Instant,
    ) -> Result<(), Failure> {
        for replica in self.replicas(connection) {
            let backend = self.backend(replica)?;
            let gone = backend.destroy(&counterpart(&*backend, object), deadline).await;
            gone.map_err(|failure| at(replica, &failure))?;
        }

        self.backend(connection)?.destroy(object, deadline).await
    }

    /// Whether the connection's custodian could serve now, or a replica of it. One that is silent leaves time for the others.
    pub(super) async fn well(&self, connection: &ConnectionName, deadline: Instant) -> Result<(), Failure> {
        let (backend, replicas) = (self.backend(connection)?, self.replicas(connection));
        let own = if replicas.is_empty() { deadline } else { self.half(deadline) };
        let Err(failure) = backend.health(own).await else { return Ok(()) };

        for replica in replicas {
            if self.backend(replica)?.health(self.half(deadline)).await.is_ok() {
                tracing::warn!(%connection, %replica, %failure, "only a replica is well");
                return Ok(());
            }
        }
        Err(failure)
    }

    /// How the key stands at every custodian that has it: the connection's own, and then its replicas. They are asked at the
    /// same time.
    pub(crate) async fn standing(
        &self,
        key: &Key,
        deadline: Instant,
    ) -> Vec<(ConnectionName, Result<KeyState, Failure>)> {
        let Some(connection) = &key.connection else { return Vec::new() };
        let native_id = key.native_id.clone().unwrap_or_else(|| NativeId::new(key.id.to_string()));
        let object = &object(key, native_id);

        let asked = std::iter::once(connection).chain(self.replicas(connection)).map(|at| async move {
            let state = match self.backend(at) {
                Ok(backend) => backend.state(&counterpart(&*backend, object), deadline).await,
                Err(failure) => Err(failure),
            };
            (at.clone(), state)
        });
        join_all(asked).await
    }

    /// Refuses unless every replica of the key's connection has this very key.
    pub(crate) async fn prove(&self, key: &Key, deadline: Instant) -> Result<(), Failure> {
        let Some(connection) = &key.connection else { return Ok(()) };

        for replica in self.replicas(connection) {
            self.prove_at(replica, key, deadline).await?;
        }
        Ok(())
    }

    /// Refuses unless this replica has this very key.
    pub(super) async fn prove_at(
        &self,
        replica: &ConnectionName,
        key: &Key,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let Some(native_id) = &key.native_id else { return Ok(()) };
        let backend = self.backend(replica)?;
        let here = counterpart(&*backend, &object(key, native_id.clone()));
        let public = backend.public_key(&here, deadline).await.map_err(|failure| at(replica, &failure))?;
        if Some(&public) == key.public.as_ref() {
            return Ok(());
        }

        // Somebody may put the right one there.
        backend.forget(&here).await;
        let message = format!("replica `{replica}` has another key as `{}`", here.native_id.as_str());
        Err(Failure::new(FailureKind::InvalidArgument, message))
    }

    pub(super) fn replicas(&self, connection: &ConnectionName) -> &[ConnectionName] {
        self.replicas.get(connection).map_or(&[], Vec::as_slice)
    }

    /// Half of the time that is left: the other half is for those that may have to take over.
    fn half(&self, deadline: Instant) -> Instant {
        let now = self.outside.clock.now();

        now + deadline.saturating_duration_since(now) / 2
    }
}

/// Whether another custodian of the same key may do what this one did not.
fn can_be_made_elsewhere(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Unavailable
        | FailureKind::Throttled
        | FailureKind::Credentials
        | FailureKind::OperatorNeeded => true,
        // What is said of the key or of the request holds for all of them, and what is denied here is not to be had there.
        FailureKind::InvalidArgument
        | FailureKind::NotFound
        | FailureKind::KeyGone
        | FailureKind::Exists
        | FailureKind::Denied
        | FailureKind::Unsupported
        | FailureKind::Internal
        | FailureKind::Other => false,
    }
}

/// The same key as another connection calls it.
pub(super) fn counterpart(backend: &dyn Backend, object: &Object) -> Object {
    Object { native_id: backend.counterpart(&object.native_id), ..object.clone() }
}

/// Says where.
pub(super) fn at(replica: &ConnectionName, failure: &Failure) -> Failure {
    Failure { message: format!("replica `{replica}`: {}", failure.message), ..failure.clone() }
}

async fn signed(
    backend: &dyn Backend,
    (object, mechanism, input): (&Object, Mechanism, &[u8]),
    deadline: Instant,
) -> Result<Signature, Failure> {
    let bytes = backend.sign(object, mechanism, input, deadline).await?;

    Signature::new(object.key_type, bytes).ok_or_else(|| {
        Failure::new(FailureKind::Internal, "the custodian answered no signature of such a key")
    })
}

/// The signature, if it is the key's. A custodian whose handles went stale may have signed with another key, and what
/// it remembers of this one is then worth nothing.
async fn verified(
    backend: &dyn Backend,
    object: &Object,
    wanted: &Signing,
    signature: Signature,
) -> Result<Signature, Failure> {
    let internal = |error: Error| Failure::new(FailureKind::Internal, error.detail());
    let public = wanted.key.public.as_ref();
    let public = public.ok_or_else(|| internal(Error::internal("a key without a public half")))?;
    if public.verifies(wanted.scheme, &wanted.input, &signature).map_err(internal)? {
        return Ok(signature);
    }

    backend.forget(object).await;
    Err(Failure::new(FailureKind::KeyGone, "the custodian signed with another key than this one"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::gateway::OnDuplicate;
    use crate::testing::{TestToken, World};

    /// A world with a key `a`, whose connection has a replica that has the key.
    async fn world() -> (World, Arc<TestToken>) {
        let (world, replica) = World::replicated();
        world.create("a", OnDuplicate::Conflict).await.unwrap();
        world.backend.copy_to(&replica);

        (world, replica)
    }

    #[tokio::test]
    async fn a_replica_is_asked_only_when_its_connection_cannot_answer() {
        let (world, replica) = world().await;
        let signed = || replica.signatures.load(Ordering::Relaxed);

        world.sign("a").await.unwrap();
        assert_eq!(signed(), 0);

        for (kind, by_replica) in FailureKind::ALL.map(|kind| (kind, can_be_made_elsewhere(kind))) {
            let before = signed();
            *world.backend.failing.lock().unwrap() = Some(kind);

            assert_eq!(world.sign("a").await.is_ok(), by_replica, "{kind:?}");
            assert_eq!(signed() - before, usize::from(by_replica), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn the_event_says_which_replica_signed() {
        let (world, _replica) = world().await;
        *world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);

        world.sign("a").await.unwrap();

        let detail = world.audit.events.lock().unwrap().last().unwrap().detail.clone().unwrap();
        assert!(detail.contains("`stand-in`"), "{detail}");
    }

    #[tokio::test]
    async fn what_another_key_signed_never_leaves() {
        let (world, replica) = World::replicated();
        let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
        replica.add(key.native_id.as_ref().unwrap().as_str());
        *world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);

        let refused = world.sign("a").await.unwrap_err();

        assert!(matches!(refused, Error::Unavailable { .. }), "{refused:?}");
        assert_eq!(replica.signatures.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_key_is_gone_when_it_is_gone_everywhere() {
        let (world, replica) = world().await;
        world
            .gateway
            .delete(&world.caller, world.context(), crate::testing::key_name("a"), std::time::Duration::ZERO)
            .await
            .unwrap();

        *replica.failing.lock().unwrap() = Some(FailureKind::Unavailable);
        world.gateway.reap().await.unwrap();
        assert_eq!(world.backend.objects.lock().unwrap().len(), 1);

        *replica.failing.lock().unwrap() = None;
        world.clock.advance(std::time::Duration::from_secs(3600));
        world.gateway.reap().await.unwrap();
        assert!(world.backend.objects.lock().unwrap().is_empty());
        assert!(replica.objects.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn it_is_well_while_one_of_them_is() {
        let (world, replica) = world().await;
        let well = async || {
            world.gateway.probe().await;
            let providers = world.gateway.providers(&world.caller.tenant);
            providers.iter().all(|(_, health)| health.as_ref().unwrap().error.is_none())
        };

        *world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);
        assert!(well().await);
        *replica.failing.lock().unwrap() = Some(FailureKind::Unavailable);
        assert!(!well().await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_silent_leaves_the_others_the_time_to_say_that_they_are_well() {
        let (world, _replica) = world().await;
        world.backend.silent.store(true, Ordering::Relaxed);

        world.gateway.probe().await;

        let providers = world.gateway.providers(&world.caller.tenant);
        let errors = providers.iter().map(|(_, health)| &health.as_ref().unwrap().error);
        assert!(errors.clone().all(Option::is_none), "{:?}", errors.collect::<Vec<_>>());
    }
}
