//! Operations for whoever tries a provider out: on keys of the trial's own, and on nobody else's.
//!
//! The gateway opens an operation, calls the provider for it and closes it again. A trial leaves the call to its user,
//! who can hand the provider another handle than the key's, call it twice, or call it late, and is told what custody
//! saw. Policy makes the operations, as it does for callers, and custody decides what may come of them. What a trial
//! does is not in the audit log: no request ever leads here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::caller::{Caller, Pattern, Right, Verb};
use crate::custody::{Custody, OpenOperation, may_settle, settled};
use crate::failure::{Failure, FailureKind};
use crate::gateway::How;
use crate::import::Material;
use crate::input::Input;
use crate::key::{Key, KeyId, KeyName, State};
use crate::name::{CallerName, TenantId};
use crate::outside::Outside;
use crate::policy::{self, Imported, Operation};
use crate::provider::{Call, Loaded};
use crate::public_key::PublicKey;
use crate::scheme::{KeyType, Scheme};
use crate::signature::Signature;
use crate::store::Keys;
use crate::{Error, Result};

/// Opens operations on keys that it planned itself.
#[derive(Debug)]
pub struct Trial {
    caller: Caller,
    custody: Arc<Custody>,
    keys: Arc<dyn Keys>,
    outside: Outside,
    planned: Mutex<Vec<TrialKey>>,
}

/// A key of a trial. Only a trial makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrialKey {
    tenant: TenantId,
    id: KeyId,
    key_type: KeyType,
}

impl TrialKey {
    /// What the gateway and every custodian find it by.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The kind of key pair.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }
}

impl Trial {
    /// A trial whose keys belong to `tenant`.
    pub fn new(
        tenant: TenantId,
        custody: Arc<Custody>,
        keys: Arc<dyn Keys>,
        outside: Outside,
    ) -> Result<Self> {
        let name: CallerName = "trial".parse().map_err(Error::internal)?;
        let everything: Pattern = "*".parse().map_err(Error::internal)?;
        let right = Right { verbs: Verb::ALL.into_iter().collect(), keys: vec![everything], key_types: None };
        let caller = Caller { tenant, name, rights: Arc::new([right]) };

        Ok(Self { caller, custody, keys, outside, planned: Mutex::default() })
    }

    /// A new key: its row is there, and nobody has been asked for it.
    pub async fn plan(&self, loaded: &Loaded, key_type: KeyType) -> Result<TrialKey> {
        let (id, tenant) = (KeyId::random(&*self.outside.random), self.caller.tenant.clone());
        // A name has one pending row, and every row of a trial stays pending.
        let name = KeyName::new("name", &id.to_string())?;
        let origin = (loaded.name.clone(), self.outside.clock.wall());
        self.keys.insert(&tenant, &Key::pending(tenant.clone(), name, id, key_type, origin)).await?;

        let key = TrialKey { tenant, id, key_type };
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        Ok(key)
    }

    /// Every key that was planned so far.
    #[must_use]
    pub fn keys(&self) -> Vec<TrialKey> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Allows that `key` is made. It may be allowed again: a create is idempotent.
    pub async fn create(&self, loaded: &Loaded, key: &TrialKey, deadline: Instant) -> Result<OpenTrial> {
        let row = self.row(key).await?;

        Ok(self.open(policy::create(&self.caller, row, None)?, loaded, deadline))
    }

    /// Allows that `material` is taken over as `key`; answers what the provider is to name it by, too.
    pub async fn import(
        &self,
        loaded: &Loaded,
        key: &TrialKey,
        material: Material,
        deadline: Instant,
    ) -> Result<(OpenTrial, String)> {
        let row = self.row(key).await?;
        let reference = KeyId::random(&*self.outside.random).to_string();
        let imported = Imported { reference: reference.clone(), material };

        Ok((self.open(policy::create(&self.caller, row, Some(imported))?, loaded, deadline), reference))
    }

    /// Allows one signature with `key`, and that its public half is read.
    pub async fn sign(
        &self,
        loaded: &Loaded,
        key: &TrialKey,
        (scheme, input): (Scheme, Input),
        deadline: Instant,
    ) -> Result<OpenTrial> {
        let row = Arc::new(self.row(key).await?);
        let signed = policy::sign(&self.caller, row, How::Scheme(scheme), input, &loaded.descriptor)?;

        Ok(self.open(signed, loaded, deadline))
    }

    /// Allows that `key` is destroyed.
    pub async fn destroy(&self, loaded: &Loaded, key: &TrialKey, deadline: Instant) -> Result<OpenTrial> {
        let row = Arc::new(self.row(key).await?);

        Ok(self.open(policy::destroy(row), loaded, deadline))
    }

    /// Allows that custodians are asked how they are.
    #[must_use]
    pub fn probe(&self, loaded: &Loaded, deadline: Instant) -> OpenTrial {
        self.open(policy::probe(), loaded, deadline)
    }

    /// Destroys what `key` left at its custodian, without a guest.
    pub async fn erase(&self, key: &TrialKey, deadline: Instant) -> Result<(), Failure> {
        let unavailable = |error: Error| Failure::new(FailureKind::Unavailable, error.detail());
        let row = self.row(key).await.map_err(unavailable)?;

        self.custody.erase(&row, deadline).await
    }

    /// The same for every key of this trial's tenant; answers the first failure, after it has tried them all. What a custodian may
    /// still make, or not list yet, is tried again until `deadline`.
    pub async fn erase_all(&self, deadline: Instant) -> Result<(), Failure> {
        let unavailable = |error: Error| Failure::new(FailureKind::Unavailable, error.detail());
        let rows = self.keys.list(&self.caller.tenant).await.map_err(unavailable)?;

        let (mut outcome, mut left) = (Ok(()), Vec::new());
        for row in rows.iter().filter(|row| row.state != State::Destroyed) {
            match self.custody.erase(row, deadline).await {
                Err(failure) if may_settle(&failure) => left.push(row),
                erased => outcome = outcome.and(erased),
            }
        }
        for row in left {
            let erase = || self.custody.erase(row, deadline);
            outcome = outcome.and(settled(&*self.outside.clock, deadline, erase).await);
        }
        outcome
    }

    /// The row of a key of this trial's tenant, as it is now.
    async fn row(&self, key: &TrialKey) -> Result<Key> {
        if key.tenant != self.caller.tenant {
            return Err(Error::KeyNotFound);
        }
        let row = self.keys.key(&key.tenant, key.id).await?.ok_or(Error::KeyNotFound)?;

        Ok(Arc::unwrap_or_clone(row))
    }

    fn open(&self, operation: Operation, loaded: &Loaded, deadline: Instant) -> OpenTrial {
        let open = self.custody.open(operation, loaded, deadline);

        OpenTrial { open, tenant: self.caller.tenant.clone(), deadline }
    }
}

/// An operation that is open until it is closed or dropped.
#[derive(Debug)]
pub struct OpenTrial {
    open: OpenOperation,
    tenant: TenantId,
    deadline: Instant,
}

impl OpenTrial {
    /// What a provider is called with to serve it.
    #[must_use]
    pub fn call(&self) -> Call {
        Call {
            operation: self.open.id(),
            tenant: self.tenant.clone(),
            request_id: None,
            deadline: self.deadline,
        }
    }

    /// Closes it. From here on no guest can do anything in its name.
    #[must_use]
    pub fn close(self) -> Saw {
        let (seen, made) = self.open.close();

        Saw {
            signature: seen.signature,
            public: made.and_then(|key| key.public),
            destroyed: seen.destroyed,
            failure: seen.failure,
            attempts: seen.attempts,
        }
    }
}

/// What custody saw while an operation was open.
#[derive(Clone, Debug)]
pub struct Saw {
    /// The signature that the custodian made.
    pub signature: Option<Signature>,
    /// The public half of the key that the custodian made or took over, in this operation or an earlier one.
    pub public: Option<PublicKey>,
    /// Whether the custodian destroyed the key.
    pub destroyed: bool,
    /// The last failure of a custodian, which a guest may have retold otherwise.
    pub failure: Option<Failure>,
    /// How often a custodian was asked.
    pub attempts: u32,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::input::Digest;
    use crate::outside::Clock;
    use crate::provider::{CreateKey, KeyRef, Sign};
    use crate::scheme::Hash;
    use crate::testing::{World, key_name};

    #[tokio::test]
    async fn a_trial_makes_signs_and_erases_with_custody_watching() {
        let stage = Stage::new();
        let key = stage.plan().await;
        for _ in 0..2 {
            let open = stage.trial.create(&stage.loaded, &key, stage.deadline).await.unwrap();
            let created = stage.loaded.provider.create_key(open.call(), wanted(&key)).await.unwrap();
            assert_eq!(open.close().public.unwrap().der(), created.public_key);
        }

        let (saw, answer) = stage.sign(&key).await;
        assert_eq!((saw.signature.unwrap().bytes(), saw.attempts), (&*answer.unwrap(), 1));
        stage.trial.erase_all(stage.deadline).await.unwrap();
        let (saw, answer) = stage.sign(&key).await;
        assert!(answer.is_err() && saw.signature.is_none());
        assert_eq!(saw.failure.unwrap().kind, FailureKind::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_erases_what_its_custodian_cannot_find_at_once() {
        let stage = Stage::new();
        let key = stage.plan().await;
        let open = stage.trial.create(&stage.loaded, &key, stage.deadline).await.unwrap();
        stage.loaded.provider.create_key(open.call(), wanted(&key)).await.unwrap();
        drop(open);
        let fail = |kind| *stage.world.backend.failing.lock().unwrap() = kind;
        let deadline = stage.world.clock.now() + Duration::from_secs(60);

        fail(Some(FailureKind::Unavailable));
        let left = stage.trial.erase_all(deadline).await.unwrap_err();
        assert_eq!(left.kind, FailureKind::Unavailable);

        let deadline = stage.world.clock.now() + Duration::from_secs(60);
        let back = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            fail(None);
        };
        let (erased, ()) = tokio::join!(stage.trial.erase_all(deadline), back);
        erased.unwrap();
        assert!(stage.world.backend.objects.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_closed_trial_allows_nothing_any_more() {
        let stage = Stage::new();
        let key = stage.plan().await;
        let open = stage.trial.create(&stage.loaded, &key, stage.deadline).await.unwrap();
        let call = open.call();
        assert!(open.close().public.is_none());

        let refused = stage.loaded.provider.create_key(call, wanted(&key)).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Denied);
    }

    #[tokio::test]
    async fn a_trial_has_no_way_to_the_keys_of_another() {
        let stage = Stage::new();
        let key = stage.plan().await;
        let other = stage.world.trial("somebody-else");

        let created = other.create(&stage.loaded, &key, stage.deadline).await;
        assert!(matches!(created, Err(Error::KeyNotFound)), "{created:?}");
        let destroyed = other.destroy(&stage.loaded, &key, stage.deadline).await;
        assert!(matches!(destroyed, Err(Error::KeyNotFound)), "{destroyed:?}");
        assert!(other.erase(&key, stage.deadline).await.is_err());
    }

    struct Stage {
        world: World,
        trial: Trial,
        loaded: Arc<Loaded>,
        deadline: Instant,
    }

    impl Stage {
        fn new() -> Self {
            let world = World::new();
            let (loaded, _) = world.gateway.providers(&world.caller.tenant).remove(0);
            let (trial, deadline) = (world.trial("trial"), world.context().deadline);

            Self { world, trial, loaded, deadline }
        }

        async fn plan(&self) -> TrialKey {
            self.trial.plan(&self.loaded, KeyType::EcP256).await.unwrap()
        }

        async fn sign(&self, key: &TrialKey) -> (Saw, Result<Vec<u8>, Failure>) {
            let scheme = Scheme::Ecdsa(Hash::Sha256);
            let input = Input::Digest(Digest::of(Hash::Sha256, b"hello"));
            let what = (scheme, input.clone());
            let open = self.trial.sign(&self.loaded, key, what, self.deadline).await.unwrap();
            let request = Sign { key: KeyRef { id: key.id(), handle: None }, scheme, input };
            let answer = self.loaded.provider.sign(open.call(), request).await;

            (open.close(), answer)
        }
    }

    fn wanted(key: &TrialKey) -> CreateKey {
        CreateKey { id: key.id(), name: key_name("a"), key_type: key.key_type(), labels: Vec::new() }
    }
}
