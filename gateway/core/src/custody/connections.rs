//! Bounds the requests that are on their way at a time, for each provider and each tenant.
//!
//! Each has a connection of its own. A guest waits for one at a time, but what makes a key goes on where the guest was
//! stopped, so that calls in flight are no bound on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::failure::{Failure, FailureKind};
use crate::name::{ProviderName, TenantId};

/// How often providers ran into the bounds on connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ConnectionHits {
    /// Into their own.
    pub provider: u64,
    /// Into that of the tenant whom they served.
    pub tenant: u64,
}

impl ConnectionHits {
    /// What the provider's own bound is called.
    pub const PROVIDER: &str = "outbound-connections";
    /// What the tenant's is called.
    pub const TENANT: &str = "tenant-outbound-connections";
}

/// The connections in use.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    counts: Arc<Mutex<Counts>>,
    per_tenant: usize,
}

#[derive(Debug, Default)]
struct Counts {
    in_use: HashMap<User, usize>,
    hits: HashMap<ProviderName, ConnectionHits>,
}

/// Whom a connection counts for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum User {
    Provider(ProviderName),
    Tenant(TenantId),
}

/// A connection in use, until it is dropped.
#[derive(Debug)]
pub(super) struct InUse {
    connections: Connections,
    users: Vec<User>,
}

impl Connections {
    pub(super) fn new(per_tenant: usize) -> Self {
        Self { counts: Arc::default(), per_tenant }
    }

    /// One more for a provider that may have `most`, and for the tenant, if it serves one.
    pub(super) fn open(
        &self,
        (provider, most): (&ProviderName, usize),
        tenant: Option<&TenantId>,
    ) -> Result<InUse, Failure> {
        let mut counts = self.counts();
        if counts.of(&User::Provider(provider.clone())) >= most {
            counts.hits.entry(provider.clone()).or_default().provider += 1;
            return Err(too_many(ConnectionHits::PROVIDER));
        }
        if tenant.is_some_and(|tenant| counts.of(&User::Tenant(tenant.clone())) >= self.per_tenant) {
            counts.hits.entry(provider.clone()).or_default().tenant += 1;
            return Err(too_many(ConnectionHits::TENANT));
        }

        let tenant = tenant.map(|tenant| User::Tenant(tenant.clone()));
        let users: Vec<_> = [User::Provider(provider.clone())].into_iter().chain(tenant).collect();
        for user in &users {
            *counts.in_use.entry(user.clone()).or_default() += 1;
        }
        drop(counts);
        Ok(InUse { connections: self.clone(), users })
    }

    pub(super) fn hits(&self, provider: &ProviderName) -> ConnectionHits {
        self.counts().hits.get(provider).copied().unwrap_or_default()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn of(&self, user: &User) -> usize {
        self.in_use.get(user).copied().unwrap_or_default()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut counts = self.connections.counts();
        for user in &self.users {
            let left = counts.of(user).saturating_sub(1);
            match left {
                0 => drop(counts.in_use.remove(user)),
                left => drop(counts.in_use.insert(user.clone(), left)),
            }
        }
    }
}

fn too_many(bound: &str) -> Failure {
    let failure = Failure::new(FailureKind::Throttled, format!("bound `{bound}` was hit"));

    Failure { retry_after: Some(RETRY_AFTER), ..failure }
}

/// When to come back if others were in the way.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_for_its_provider_and_its_tenant_until_it_is_dropped() {
        let connections = Connections::new(2);
        let providers: [ProviderName; 2] = ["one", "other"].map(|name| name.parse().unwrap());
        let tenants: [TenantId; 2] = ["a", "b"].map(|name| name.parse().unwrap());
        let open = |provider: usize, tenant: Option<usize>| {
            connections.open((&providers[provider], 3), tenant.map(|tenant| &tenants[tenant]))
        };

        let [first, _second, _third] =
            [open(0, Some(0)), open(0, Some(0)), open(0, None)].map(Result::unwrap);
        assert!(open(0, Some(1)).unwrap_err().message.contains("`outbound-connections`"));
        assert!(open(1, Some(0)).unwrap_err().message.contains("`tenant-outbound-connections`"));
        let _other = open(1, Some(1)).unwrap();
        drop(first);
        let _again = open(0, Some(0)).unwrap();

        assert_eq!(connections.hits(&providers[0]), ConnectionHits { provider: 1, tenant: 0 });
        assert_eq!(connections.hits(&providers[1]), ConnectionHits { provider: 0, tenant: 1 });
    }
}
