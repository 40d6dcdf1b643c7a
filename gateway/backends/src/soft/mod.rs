//! The embedded token: keys that are made and used in the gateway's own process, and lie sealed in its store.
//!
//! Each key's material is sealed under a data key of its own, which a [`MasterKey`] wraps, and is bound to its tenant
//! and key-id. It is unsealed nowhere but here, and kept unsealed only for the keys that were used last, within a
//! bound. What the master key was is told by a mark in the store, so that a wrong one shows when the token is opened.
//!
//! Randomness comes from aws-lc itself, for key pairs, data keys and nonces alike: no other source can be handed in.

mod cache;
mod import;
mod master_key;
mod material;
#[cfg(test)]
mod ml_dsa;
mod rotation;
mod seal;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

use async_trait::async_trait;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::import::Material as Imported;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, KeyType};
use keyport_core::store::SealedKeys;
use keyport_core::{Error, Failure, FailureKind};
use tokio::time::timeout_at;

pub use master_key::{BadMasterKey, MasterKey, MasterKeyError};
pub use rotation::{RotateError, rotate};

use crate::blocking::Door;
use cache::{Cache, Slot};
use material::Material;
use seal::Seal;

/// The embedded token.
///
/// It offers ECDSA on P-256, P-384 and P-521, Ed25519, RSA with 2048, 3072 and 4096 bits, and ML-DSA; mechanisms are
/// [`Mechanism::Ecdsa`], [`Mechanism::Ed25519`], [`Mechanism::RsaPkcs1v15`], [`Mechanism::RsaPss`] and [`Mechanism::MlDsa`].
/// An object's native id is its key-id.
#[derive(Debug)]
pub struct Soft {
    sealed: Arc<dyn SealedKeys>,
    seal: Arc<Seal>,
    cache: Cache,
    /// For unsealing and for RSA and ML-DSA signatures: at most milliseconds each.
    short: Door,
    /// For RSA key pairs, which take seconds and must not keep signatures waiting.
    long: Door,
}

/// How much memory and how many threads the token may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Keys that are kept unsealed.
    pub unsealed_keys: NonZeroUsize,
    /// Threads that unseal keys and make RSA and ML-DSA signatures; half as many more make RSA key pairs.
    pub threads: NonZeroUsize,
}

impl Default for Bounds {
    /// 10,000 keys, and as many threads as there are processors.
    fn default() -> Self {
        Self {
            unsealed_keys: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
            threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl Soft {
    /// Opens the token whose keys are in `sealed`. The first time, it marks the store with the master key.
    pub async fn open(
        sealed: Arc<dyn SealedKeys>,
        master_key: &MasterKey,
        bounds: Bounds,
    ) -> Result<Self, OpenError> {
        let seal = Arc::new(Seal::new(master_key).map_err(Error::internal)?);
        match sealed.mark().await? {
            Some(mark) if seal.fits(&mark) => {}
            Some(_) => return Err(OpenError::WrongMasterKey),
            None => mark(&*sealed, &seal).await?,
        }

        let half = NonZeroUsize::new(bounds.threads.get() / 2).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            sealed,
            seal,
            cache: Cache::new(bounds.unsealed_keys),
            short: Door::new(bounds.threads),
            long: Door::new(half),
        })
    }

    /// The key of an object, from the cache or the store.
    async fn material(&self, object: &Object, deadline: Instant) -> Result<Arc<Material>, Failure> {
        let slot = slot(object).ok_or_else(|| not_found(object))?;
        let material = match self.cache.get(&slot) {
            Some(material) => material,
            None => self.load(&slot, deadline).await?.ok_or_else(|| not_found(object))?,
        };

        if material.key_type() != object.key_type {
            let message =
                format!("{} is of type {}, not {}", object.key_id, material.key_type(), object.key_type);
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }
        Ok(material)
    }

    async fn load(&self, slot: &Slot, deadline: Instant) -> Result<Option<Arc<Material>>, Failure> {
        let reading = self.cache.reading();
        let Some(sealed) = in_time(deadline, self.sealed.get(&slot.tenant, slot.key_id)).await? else {
            return Ok(None);
        };

        let work = {
            let (seal, slot) = (Arc::clone(&self.seal), slot.clone());
            move || unseal(&seal, &slot, &sealed)
        };
        let material = Arc::new(self.short.run(deadline, work).await??);
        self.cache.keep(reading, slot.clone(), Arc::clone(&material));
        Ok(Some(material))
    }

    async fn make(
        &self,
        slot: &Slot,
        key_type: KeyType,
        deadline: Instant,
    ) -> Result<Arc<Material>, Failure> {
        let work = {
            let (seal, slot) = (Arc::clone(&self.seal), slot.clone());
            move || sealed(&seal, &slot, Material::generate(key_type)?)
        };
        let door = if matches!(key_type.family(), Family::Rsa { .. }) { &self.long } else { &self.short };
        let (material, sealed) = door.run(deadline, work).await??;

        self.store(slot, material, &sealed, deadline).await
    }

    /// Stores a new key. Answers the one that the key-id then has.
    async fn store(
        &self,
        slot: &Slot,
        material: Material,
        sealed: &[u8],
        deadline: Instant,
    ) -> Result<Arc<Material>, Failure> {
        let reading = self.cache.reading();
        if in_time(deadline, self.put(slot, sealed)).await? {
            let material = Arc::new(material);
            self.cache.keep(reading, slot.clone(), Arc::clone(&material));
            return Ok(material);
        }

        // Somebody was faster with the same key-id, and theirs is the key.
        self.load(slot, deadline).await?.ok_or_else(|| {
            Failure::new(FailureKind::KeyGone, format!("key {} was destroyed while it was made", slot.key_id))
        })
    }

    /// Whether there was nothing yet.
    async fn put(&self, slot: &Slot, sealed: &[u8]) -> Result<bool, Error> {
        match self.sealed.put(&slot.tenant, slot.key_id, sealed).await {
            Ok(()) => Ok(true),
            Err(Error::KeyExists) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Backend for Soft {
    fn acts_outside(&self) -> bool {
        false
    }

    async fn offers(&self, key_type: KeyType, _deadline: Instant) -> Option<Result<(), Failure>> {
        Some(material::offers(key_type))
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        let slot = Slot { tenant: request.tenant, key_id: request.key_id };
        let material = match self.load(&slot, deadline).await? {
            Some(material) => material,
            None => self.make(&slot, request.key_type, deadline).await?,
        };

        if material.key_type() != request.key_type {
            let message = format!("key {} exists and is of type {}", slot.key_id, material.key_type());
            return Err(Failure::new(FailureKind::Exists, message));
        }
        Ok(Generated { native_id: native_id(slot.key_id), public: material.public()? })
    }

    async fn import(
        &self,
        request: Generate,
        material: Imported,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        if material.key_type() != request.key_type {
            let message =
                format!("the key pair is of type {}, not {}", material.key_type(), request.key_type);
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }

        let slot = Slot { tenant: request.tenant, key_id: request.key_id };
        let work = {
            let (seal, slot) = (Arc::clone(&self.seal), slot.clone());
            move || sealed(&seal, &slot, Material::import(&material)?)
        };
        let (taken, sealed) = self.short.run(deadline, work).await??;
        let public = taken.public()?;

        // Its halves were found to belong together, so one public half is one key.
        if self.store(&slot, taken, &sealed, deadline).await?.public()? != public {
            let message = format!("key {} exists and is another one", slot.key_id);
            return Err(Failure::new(FailureKind::Exists, message));
        }
        Ok(Generated { native_id: native_id(slot.key_id), public })
    }

    async fn find(
        &self,
        tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        let sealed = in_time(deadline, self.sealed.get(tenant, key_id)).await?;

        Ok(sealed.map(|_| native_id(key_id)))
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        self.material(object, deadline).await?.public()
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        let Some(slot) = slot(object) else { return Ok(KeyState::Gone) };
        let sealed = in_time(deadline, self.sealed.get(&slot.tenant, slot.key_id)).await?;

        Ok(if sealed.is_some() { KeyState::Enabled } else { KeyState::Gone })
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let material = self.material(object, deadline).await?;
        if material.signs_quickly(input) {
            return material.sign(mechanism, input);
        }

        let input = input.to_vec();
        self.short.run(deadline, move || material.sign(mechanism, &input)).await?
    }

    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        // An object that is not one of this token's is not there.
        let Some(slot) = slot(object) else { return Ok(()) };

        self.cache.condemn(&slot);
        in_time(deadline, self.sealed.delete(&slot.tenant, slot.key_id)).await?;
        self.cache.bury(&slot);
        Ok(())
    }

    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        in_time(deadline, self.sealed.mark()).await?;

        Ok(())
    }
}

/// Why the token cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store was sealed under another master key.
    #[error(
        "the master key is not the one that this store was sealed under; \
         start with the one that was, or with the store that belongs to this one"
    )]
    WrongMasterKey,
    /// The store failed.
    #[error("the store of sealed keys does not answer")]
    Store(#[from] Error),
}

/// Marks a store that has no mark. Usually it is empty; keys it has must open, so that a lost mark is no way round it.
async fn mark(sealed: &dyn SealedKeys, seal: &Arc<Seal>) -> Result<(), OpenError> {
    let foreign = Arc::new(AtomicBool::new(false));
    let verify = {
        let (seal, foreign) = (Arc::clone(seal), Arc::clone(&foreign));
        move |tenant: &TenantId, key_id: KeyId, sealed: &[u8]| {
            let opened = seal.open(&Slot { tenant: tenant.clone(), key_id }, sealed);
            foreign.fetch_or(opened.is_err(), Ordering::Relaxed);
            opened.map(|_secret| sealed.to_vec()).map_err(Error::internal)
        }
    };

    let marked = sealed.reseal(seal.mark(), &verify).await;
    if foreign.load(Ordering::Relaxed) {
        return Err(OpenError::WrongMasterKey);
    }
    let keys = marked?;
    if keys > 0 {
        tracing::warn!(
            keys,
            "the sealed keys had no mark of their master key; they fit it, and have one now"
        );
    }
    Ok(())
}

/// A new key with its sealed form.
fn sealed(seal: &Seal, slot: &Slot, material: Material) -> Result<(Material, Vec<u8>), Failure> {
    let sealed = seal
        .seal(slot, material.to_bytes()?.expose())
        .map_err(|_bad| Failure::new(FailureKind::Internal, "a new key could not be sealed"))?;

    Ok((material, sealed))
}

fn unseal(seal: &Seal, slot: &Slot, sealed: &[u8]) -> Result<Material, Failure> {
    let opened = seal.open(slot, sealed).map_err(|bad| {
        let message = format!("key {} of tenant {} does not open: {bad}", slot.key_id, slot.tenant);
        Failure::new(FailureKind::OperatorNeeded, message)
    })?;

    Material::from_bytes(opened.expose())
}

/// Where an object's material lies; `None` where its native id is none that this token gave it.
fn slot(object: &Object) -> Option<Slot> {
    let key_id = object.native_id.as_str().parse::<KeyId>().ok()?;

    (key_id == object.key_id).then(|| Slot { tenant: object.tenant.clone(), key_id })
}

fn native_id(key_id: KeyId) -> NativeId {
    NativeId::new(key_id.to_string())
}

fn not_found(object: &Object) -> Failure {
    Failure::new(
        FailureKind::NotFound,
        format!("tenant {} has no key {} in the embedded token", object.tenant, object.key_id),
    )
}

/// Waits for the store until `deadline`.
async fn in_time<T>(
    deadline: Instant,
    answer: impl Future<Output = keyport_core::Result<T>>,
) -> Result<T, Failure> {
    match timeout_at(deadline.into(), answer).await {
        Ok(answer) => answer.map_err(|error| store_failed(&error)),
        Err(_late) => {
            Err(Failure::new(FailureKind::Unavailable, "the store of sealed keys did not answer in time"))
        }
    }
}

fn store_failed(error: &Error) -> Failure {
    let (kind, cause) = match error {
        Error::Unavailable { cause, .. } => (FailureKind::Unavailable, Some(cause)),
        Error::KeyLost(cause) | Error::Misconfigured(cause) | Error::Internal(cause) => {
            (FailureKind::Internal, Some(cause))
        }
        Error::Throttled { .. } => (FailureKind::Unavailable, None),
        Error::Unauthenticated
        | Error::Forbidden
        | Error::KeyNotFound
        | Error::KeyExists
        | Error::KeyReleased
        | Error::InvalidRequest { .. }
        | Error::Unsupported => (FailureKind::Internal, None),
    };

    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::new(kind, format!("the store of sealed keys: {error}{cause}"))
}
