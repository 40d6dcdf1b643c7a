//! The ports to what is kept: rows of keys, and the embedded token's sealed material.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::key::{Key, KeyId, KeyName};
use crate::name::TenantId;

/// Rows of keys. Every method but [`Keys::tenants`] takes the tenant first, so that a query across tenants cannot be
/// written.
///
/// Whatever a method has answered is durable. Look-ups are served from memory and see every earlier change.
#[async_trait]
pub trait Keys: Debug + Send + Sync {
    /// Adds a pending row. [`Error::KeyExists`](crate::Error::KeyExists) where the name has one already, or the
    /// key-id is taken.
    async fn insert(&self, tenant: &TenantId, key: &Key) -> Result<()>;

    /// Replaces rows, all or none. Each must have the stored row's revision, and gets the next one; `false` where
    /// one has not, or where two rows would be active under one name or share an object.
    async fn update(&self, tenant: &TenantId, keys: &[Key]) -> Result<bool>;

    /// The active key of a name.
    async fn active(&self, tenant: &TenantId, name: &KeyName) -> Result<Option<Arc<Key>>>;

    /// The row of a key-id, in whatever state.
    async fn key(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Arc<Key>>>;

    /// Every row that is not destroyed, and those that are destroyed while their event is not recorded; in the
    /// order in which they were made.
    async fn list(&self, tenant: &TenantId) -> Result<Vec<Arc<Key>>>;

    /// Every tenant that has a row which [`Keys::list`] would show.
    async fn tenants(&self) -> Result<Vec<TenantId>>;
}

/// The embedded token's material, sealed before it comes here.
#[async_trait]
pub trait SealedKeys: Debug + Send + Sync {
    /// Keeps `sealed`; [`Error::KeyExists`](crate::Error::KeyExists) where there is some already.
    async fn put(&self, tenant: &TenantId, id: KeyId, sealed: &[u8]) -> Result<()>;

    /// What was kept.
    async fn get(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Vec<u8>>>;

    /// Erases what was kept, so that it cannot be read from the file either. Erasing nothing succeeds.
    async fn delete(&self, tenant: &TenantId, id: KeyId) -> Result<()>;

    /// The mark of the master key that everything is sealed under, if one was set.
    async fn mark(&self) -> Result<Option<Vec<u8>>>;

    /// Replaces the mark and everything that was kept by what `reseal` makes of it, all or nothing. Returns how
    /// many keys there were.
    async fn reseal(&self, mark: &[u8], reseal: &Reseal) -> Result<u64>;
}

/// Makes of one key's sealed material another.
pub type Reseal = dyn Fn(&TenantId, KeyId, &[u8]) -> Result<Vec<u8>> + Send + Sync;
