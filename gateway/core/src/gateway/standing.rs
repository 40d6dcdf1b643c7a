//! Asks custodians how keys stand there, for operators.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::Gateway;
use crate::Result;
use crate::backend::KeyState;
use crate::failure::Failure;
use crate::key::{Key, KeyId, KeyName, State};
use crate::name::{ConnectionName, TenantId};

/// Which keys of a tenant an operator asks about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Which {
    /// The one with this id, destroyed or not.
    Id(KeyId),
    /// Those of this name that are not destroyed.
    Name(KeyName),
}

/// How a key stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The key, with its state here.
    pub key: Arc<Key>,
    /// What each custodian of it says, the connection's own first and then its replicas; nobody where no custodian was ever
    /// asked for it.
    pub custodians: Vec<(ConnectionName, Result<KeyState, Failure>)>,
}

impl Gateway {
    /// How these keys stand at their custodians, in the order in which they were made: ten at most. It changes nothing, here or
    /// there.
    pub async fn standings(&self, tenant: &TenantId, which: &Which) -> Result<Vec<Standing>> {
        let keys = match which {
            Which::Id(id) => self.keys.key(tenant, *id).await?.into_iter().collect(),
            Which::Name(name) => {
                let mut keys = self.keys.list(tenant).await?;
                keys.retain(|key| key.name == *name && key.state != State::Destroyed);
                keys
            }
        };
        let deadline = self.outside.clock.now() + PATIENCE;

        let last = keys.len().saturating_sub(MOST);
        let asked = keys.into_iter().skip(last).map(|key| async move {
            let custodians = self.custody.standing(&key, deadline).await;
            Standing { key, custodians }
        });
        Ok(join_all(asked).await)
    }
}

/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Keys that one question is answered for: those of a name that were made last.
const MOST: usize = 10;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::failure::FailureKind;
    use crate::gateway::OnDuplicate;
    use crate::outside::Timestamp;
    use crate::testing::{World, key_name};

    fn named(name: &str) -> Which {
        Which::Name(key_name(name))
    }

    #[tokio::test]
    async fn a_key_is_told_with_what_each_custodian_says_of_it() {
        let (world, replica) = World::replicated();
        let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
        world.create("b", OnDuplicate::Conflict).await.unwrap();
        world.backend.copy_to(&replica);
        replica.objects.lock().unwrap().remove(key.native_id.as_ref().unwrap().as_str());

        let standings = world.gateway.standings(&world.caller.tenant, &named("a")).await.unwrap();

        let [Standing { key: told, custodians }] = standings.as_slice() else { panic!("{standings:?}") };
        let said: Vec<_> =
            custodians.iter().map(|(at, state)| (at.as_str(), *state.as_ref().unwrap())).collect();
        assert_eq!((told.id, told.state), (key.id, State::Active));
        assert_eq!(said, [("embedded", KeyState::Enabled), ("stand-in", KeyState::Gone)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_custodian_that_is_silent_keeps_no_other_from_telling() {
        let (world, replica) = World::replicated();
        for _ in 0..2 {
            world.create("a", OnDuplicate::Replace).await.unwrap();
        }
        world.backend.copy_to(&replica);
        world.backend.silent.store(true, Ordering::Relaxed);

        let told = world.gateway.standings(&world.caller.tenant, &named("a")).await.unwrap();

        assert_eq!(told.len(), 2);
        for Standing { custodians, .. } in told {
            let told: Vec<_> =
                custodians.into_iter().map(|(_, state)| state.map_err(|silent| silent.kind)).collect();
            assert_eq!(told, [Err(FailureKind::Unavailable), Ok(KeyState::Enabled)]);
        }
    }

    #[tokio::test]
    async fn a_destroyed_key_is_told_by_its_id_and_until_when_it_can_come_back() {
        let world = World::new();
        world.backend.keeps.store(true, Ordering::Relaxed);
        let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
        let delete = world.gateway.delete(&world.caller, world.context(), key_name("a"), Duration::ZERO);
        delete.await.unwrap();
        world.gateway.reap().await.unwrap();

        let told = world.gateway.standings(&world.caller.tenant, &Which::Id(key.id)).await.unwrap();
        assert_eq!(told[0].key.state, State::Destroyed);
        let until = KeyState::PendingDeletion(Some(Timestamp(1)));
        assert_eq!(told[0].custodians[0].1.as_ref().unwrap(), &until);
    }

    #[tokio::test]
    async fn another_tenants_key_is_none_and_a_custodian_that_fails_says_so() {
        let world = World::new();
        let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
        let stranger = "stranger".parse().unwrap();
        for which in [named("a"), Which::Id(key.id)] {
            assert!(world.gateway.standings(&stranger, &which).await.unwrap().is_empty());
        }
        assert_eq!(world.backend.looked_at.load(Ordering::Relaxed), 0);

        *world.backend.failing.lock().unwrap() = Some(FailureKind::Throttled);
        let told = world.gateway.standings(&world.caller.tenant, &named("a")).await.unwrap();
        assert_eq!(told[0].custodians[0].1.as_ref().unwrap_err().kind, FailureKind::Throttled);
    }
}
