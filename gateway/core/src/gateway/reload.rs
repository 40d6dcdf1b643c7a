//! Changes who is served and by which providers, while requests go on.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::{Gateway, Tenants};
use crate::Result;
use crate::key::{Key, State};
use crate::name::{ConnectionName, ProviderName, TenantId};
use crate::scheme::KeyType;

/// A key that a new configuration would leave without what it needs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("tenant `{tenant}` has {keys} keys of {missing}")]
pub struct Stranded {
    /// Whose keys.
    pub tenant: TenantId,
    /// How many.
    pub keys: usize,
    /// What the new configuration lacks.
    pub missing: Missing,
}

/// What a key needs and a configuration lacks.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Missing {
    /// The tenant itself.
    #[error("this tenant, which is not configured")]
    Tenant,
    /// The provider that serves the key.
    #[error("provider `{0}`, which the tenant does not have")]
    Provider(ProviderName),
    /// The provider's grant on the connection that has the object.
    #[error("connection `{1}`, which provider `{0}` is not granted")]
    Connection(ProviderName, ConnectionName),
    /// The key's type, in a version of its provider.
    #[error("type {1}, which a version of provider `{0}` does not offer")]
    KeyType(ProviderName, KeyType),
}

impl Gateway {
    /// Whom `tenants` would leave with keys that nobody serves; nobody, if all is well.
    pub async fn stranded(&self, tenants: &Tenants) -> Result<Vec<Stranded>> {
        let mut stranded: BTreeMap<(TenantId, Missing), usize> = BTreeMap::new();
        for tenant in self.keys.tenants().await? {
            let keys = self.keys.list(&tenant).await?;
            for missing in keys.iter().filter_map(|key| missing(tenants, key)) {
                *stranded.entry((tenant.clone(), missing)).or_default() += 1;
            }
        }

        let stranded = stranded.into_iter();
        Ok(stranded.map(|((tenant, missing), keys)| Stranded { tenant, keys, missing }).collect())
    }

    /// Serves `tenants` from now on. Operations that have begun end as they began; what was spent of quotas stays spent.
    pub fn reload(&self, tenants: Tenants) {
        *self.tenants.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tenants);
    }
}

/// What a key that signs, or could be restored, would lack.
pub(super) fn missing(tenants: &Tenants, key: &Key) -> Option<Missing> {
    match key.state {
        State::Active | State::Released => {}
        State::Pending | State::Destroying | State::Destroyed => return None,
    }
    let Ok(tenant) = tenants.tenant(&key.tenant) else { return Some(Missing::Tenant) };
    let Some(versions) = tenant.providers.get(&key.provider) else {
        return Some(Missing::Provider(key.provider.clone()));
    };

    if !versions.in_use().all(|loaded| loaded.descriptor.makes(key.key_type)) {
        return Some(Missing::KeyType(key.provider.clone(), key.key_type));
    }
    let is_granted = |connection: &_| versions.in_use().all(|loaded| loaded.grants.on(connection).is_some());
    key.connection
        .as_ref()
        .filter(|connection| !is_granted(connection))
        .map(|connection| Missing::Connection(key.provider.clone(), connection.clone()))
}
