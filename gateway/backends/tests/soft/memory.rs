//! Stores of sealed keys in memory: one that works, and one that can be held up or broken.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use keyport_core::key::KeyId;
use keyport_core::name::TenantId;
use keyport_core::store::{Reseal, SealedKeys};
use keyport_core::{Error, Result};
use tokio::sync::Notify;

/// Keeps sealed keys in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    mark: Option<Vec<u8>>,
    keys: BTreeMap<(TenantId, KeyId), Vec<u8>>,
}

impl Memory {
    pub(crate) fn lose_mark(&self) {
        self.kept.lock().unwrap().mark = None;
    }

    /// Does what somebody could do who may write to the store.
    pub(crate) fn tamper(&self, with: impl FnOnce(&mut BTreeMap<(TenantId, KeyId), Vec<u8>>)) {
        with(&mut self.kept.lock().unwrap().keys);
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.lock().unwrap().keys.len()
    }
}

#[async_trait]
impl SealedKeys for Memory {
    async fn put(&self, tenant: &TenantId, id: KeyId, sealed: &[u8]) -> Result<()> {
        let keys = &mut self.kept.lock().unwrap().keys;
        if keys.contains_key(&(tenant.clone(), id)) {
            return Err(Error::KeyExists);
        }

        keys.insert((tenant.clone(), id), sealed.to_vec());
        Ok(())
    }

    async fn get(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Vec<u8>>> {
        Ok(self.kept.lock().unwrap().keys.get(&(tenant.clone(), id)).cloned())
    }

    async fn delete(&self, tenant: &TenantId, id: KeyId) -> Result<()> {
        self.kept.lock().unwrap().keys.remove(&(tenant.clone(), id));
        Ok(())
    }

    async fn mark(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.kept.lock().unwrap().mark.clone())
    }

    async fn reseal(&self, mark: &[u8], reseal: &Reseal) -> Result<u64> {
        let mut kept = self.kept.lock().unwrap();
        let resealed: Result<BTreeMap<_, _>> = kept
            .keys
            .iter()
            .map(|((tenant, id), sealed)| Ok(((tenant.clone(), *id), reseal(tenant, *id, sealed)?)))
            .collect();

        *kept = Kept { mark: Some(mark.to_vec()), keys: resealed? };
        Ok(u64::try_from(kept.keys.len()).unwrap())
    }
}

/// A store whose next answers can be held up, or never come.
#[derive(Debug, Default)]
pub(crate) struct Unruly {
    pub(crate) memory: Memory,
    /// Nothing is answered any more.
    pub(crate) stuck: AtomicBool,
    /// Deletions fail.
    pub(crate) undeletable: AtomicBool,
    /// The next `get` reads, says so, and waits before it answers.
    pub(crate) hold_get: AtomicBool,
    pub(crate) has_read: Notify,
    pub(crate) go_on: Notify,
}

impl Unruly {
    async fn pass(&self) {
        if self.stuck.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl SealedKeys for Unruly {
    async fn put(&self, tenant: &TenantId, id: KeyId, sealed: &[u8]) -> Result<()> {
        self.pass().await;
        self.memory.put(tenant, id, sealed).await
    }

    async fn get(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Vec<u8>>> {
        self.pass().await;
        let sealed = self.memory.get(tenant, id).await;
        if self.hold_get.swap(false, Ordering::SeqCst) {
            self.has_read.notify_one();
            self.go_on.notified().await;
        }

        sealed
    }

    async fn delete(&self, tenant: &TenantId, id: KeyId) -> Result<()> {
        self.pass().await;
        if self.undeletable.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the disk is read-only"));
        }

        self.memory.delete(tenant, id).await
    }

    async fn mark(&self) -> Result<Option<Vec<u8>>> {
        self.pass().await;
        self.memory.mark().await
    }

    async fn reseal(&self, mark: &[u8], reseal: &Reseal) -> Result<u64> {
        self.pass().await;
        self.memory.reseal(mark, reseal).await
    }
}
