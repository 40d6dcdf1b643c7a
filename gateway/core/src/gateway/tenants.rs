//! Who is served, and by which providers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::Versions;
use crate::caller::{Caller, Pattern};
use crate::key::KeyName;
use crate::name::{CallerName, ProviderName, TenantId};
use crate::provider::{Loaded, ProviderId};
use crate::quota::Quota;
use crate::{Error, Result};

/// Every tenant that is served.
#[derive(Clone, Debug, Default)]
pub struct Tenants(HashMap<TenantId, Tenant>);

/// One tenant's rules and providers.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The provider that makes new keys.
    pub default_provider: ProviderName,
    /// Other providers for new keys of certain names; the first that matches counts.
    pub routes: Vec<(Pattern, ProviderName)>,
    /// The providers that may serve it, shared ones included.
    pub providers: HashMap<ProviderName, Arc<Versions>>,
    /// How long a released key is kept before it is destroyed.
    pub grace: Duration,
    /// What it may ask for as a whole.
    pub quota: Quota,
    /// What each of its callers may ask for; those that are not named here, as much as the tenant.
    pub callers: HashMap<CallerName, Quota>,
    /// How many keys it may have that are not destroyed.
    pub keys: Option<usize>,
}

impl Tenants {
    /// These tenants and no others.
    #[must_use]
    pub fn new(tenants: HashMap<TenantId, Tenant>) -> Self {
        Self(tenants)
    }

    pub(super) fn tenant(&self, id: &TenantId) -> Result<&Tenant> {
        // A caller's tenant is configured, or authentication would not have made the caller.
        self.0.get(id).ok_or_else(|| Error::internal(format!("tenant `{id}` is not configured")))
    }

    /// What the caller's tenant may ask for as a whole, and what the caller itself.
    pub(super) fn quotas(&self, caller: &Caller) -> Result<(Quota, Quota)> {
        let tenant = self.tenant(&caller.tenant)?;

        Ok((tenant.quota, tenant.callers.get(&caller.name).copied().unwrap_or_default()))
    }

    /// The provider `name` as `tenant` may use it.
    pub(super) fn provider(&self, tenant: &TenantId, name: &ProviderName) -> Result<&Arc<Versions>> {
        self.tenant(tenant)?.providers.get(name).ok_or_else(|| {
            let missing = format!("provider `{name}` is not configured for tenant `{tenant}`");
            Error::Misconfigured(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(missing)))
        })
    }

    /// The provider for a new key: the one asked for, or the one that its name leads to.
    pub(super) fn for_new(
        &self,
        tenant: &TenantId,
        name: &KeyName,
        asked_for: Option<&ProviderName>,
    ) -> Result<&Arc<Versions>> {
        let rules = self.tenant(tenant)?;
        if let Some(asked_for) = asked_for {
            return rules.providers.get(asked_for).ok_or_else(|| {
                Error::invalid("provider", format!("`{asked_for}` is no provider of this tenant"))
            });
        }

        let route = rules.routes.iter().find(|(pattern, _)| pattern.matches(name));
        self.provider(tenant, route.map_or(&rules.default_provider, |(_, provider)| provider))
    }

    /// The providers that serve a tenant.
    pub(super) fn of(&self, tenant: &TenantId) -> impl Iterator<Item = &Arc<Versions>> {
        self.0.get(tenant).into_iter().flat_map(|rules| rules.providers.values())
    }

    /// Every version of every provider that is loaded, those that were withdrawn included.
    pub(super) fn loaded(&self) -> HashSet<ProviderId> {
        let providers = self.0.values().flat_map(|rules| rules.providers.values());

        providers.flat_map(|versions| versions.loaded()).map(|loaded| loaded.id).collect()
    }

    /// Every version of every provider that may get a call, by its id, with a tenant that it serves.
    pub(super) fn in_use(&self) -> BTreeMap<u64, (TenantId, Arc<Loaded>)> {
        let mut in_use = BTreeMap::new();
        for (tenant, rules) in &self.0 {
            for loaded in rules.providers.values().flat_map(|versions| versions.in_use()) {
                in_use.entry(loaded.id.0).or_insert_with(|| (tenant.clone(), Arc::clone(loaded)));
            }
        }
        in_use
    }
}
