//! Asks providers how they are, in the background, and says whether the gateway is ready.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Gateway;
use crate::custody::{ConnectionHits, CustodianFailures};
use crate::name::{ComponentDigest, ProviderName, TenantId};
use crate::outside::Timestamp;
use crate::policy;
use crate::provider::{Call, Loaded, ProviderId};

/// Whether the gateway can serve, part by part.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// Whether the audit log can be written.
    pub audit_writable: bool,
    /// Every provider that was probed.
    pub providers: Vec<ProviderHealth>,
}

/// What the last probe of a provider said.
#[derive(Clone, Debug)]
pub struct ProviderHealth {
    /// The provider.
    pub name: ProviderName,
    /// Which of its versions.
    pub component: ComponentDigest,
    /// Whether the gateway is only as ready as this provider.
    pub required: bool,
    /// What was wrong, for the operator; `None` where nothing was.
    pub error: Option<String>,
    /// When it was asked.
    pub checked: Timestamp,
    /// How long the answer took.
    pub latency: Duration,
}

impl Readiness {
    /// Whether requests should be sent here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let unhealthy = |health: &ProviderHealth| health.required && health.error.is_some();

        self.audit_writable && !self.providers.iter().any(unhealthy)
    }
}

impl Gateway {
    /// What is known of the gateway's health, without asking anybody.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let in_use = self.tenants().in_use();
        let health = self.health.0.lock().unwrap_or_else(PoisonError::into_inner);
        let providers = health.iter().filter(|(id, _)| in_use.contains_key(id));

        Readiness {
            audit_writable: self.audit.is_writable(),
            providers: providers.map(|(_, health)| health.clone()).collect(),
        }
    }

    /// The providers that serve a tenant, each with what its last probe said.
    #[must_use]
    pub fn providers(&self, tenant: &TenantId) -> Vec<(Arc<Loaded>, Option<ProviderHealth>)> {
        let tenants = self.tenants();
        let health = self.health.0.lock().unwrap_or_else(PoisonError::into_inner);

        let mut providers: Vec<_> = tenants
            .of(tenant)
            .map(|versions| versions.serving())
            .map(|loaded| (Arc::clone(loaded), health.get(&loaded.id.0).cloned()))
            .collect();
        providers.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        providers
    }

    /// How often each custodian failed so far, and in which ways.
    #[must_use]
    pub fn custodian_failures(&self) -> Vec<CustodianFailures> {
        self.custody.failures()
    }

    /// How often a provider ran into the bounds on requests that are on their way.
    #[must_use]
    pub fn connection_hits(&self, provider: &ProviderName) -> ConnectionHits {
        self.custody.connection_hits(provider)
    }

    /// The provider that makes a tenant's new keys, where no route leads elsewhere.
    #[must_use]
    pub fn default_provider(&self, tenant: &TenantId) -> Option<ProviderName> {
        self.tenants().tenant(tenant).ok().map(|rules| rules.default_provider.clone())
    }

    /// One round: every provider is asked at the same time, and none can hold up another.
    pub async fn probe(self: &Arc<Self>) {
        let in_use = self.tenants().in_use();
        self.health.keep(&self.tenants().loaded());
        let mut probes = Vec::new();
        for (tenant, loaded) in in_use.into_values() {
            let (done, ended) = oneshot::channel::<()>();
            let gateway = Arc::clone(self);
            self.outside.tasks.spawn(Box::pin(async move {
                gateway.probe_provider(tenant, &loaded).await;
                drop(done);
            }));
            probes.push(ended);
        }

        for ended in probes {
            // Ends by being dropped.
            drop(ended.await);
        }
    }

    async fn probe_provider(&self, tenant: TenantId, loaded: &Loaded) {
        let deadline = self.outside.clock.now() + PROBE_TIMEOUT;
        let health = self.ask_health(tenant, loaded, deadline).await;

        self.note_health(loaded.id, &health);
    }

    /// Asks a provider how it is, and answers without noting it.
    pub(super) async fn ask_health(
        &self,
        tenant: TenantId,
        loaded: &Loaded,
        deadline: Instant,
    ) -> ProviderHealth {
        let asked = self.outside.clock.now();
        let open = self.custody.open(policy::probe(), loaded, deadline);
        let call = Call { operation: open.id(), tenant, request_id: None, deadline };
        let answer = loaded.provider.health(call).await;
        let (seen, _) = open.close();
        let error = seen.failure.or_else(|| answer.err()).map(|failure| failure.to_string());

        ProviderHealth {
            name: loaded.name.clone(),
            component: loaded.component.clone(),
            required: loaded.required,
            error,
            checked: self.outside.clock.wall(),
            latency: self.outside.clock.now().saturating_duration_since(asked),
        }
    }

    /// Keeps what a probe said.
    pub(super) fn note_health(&self, id: ProviderId, health: &ProviderHealth) {
        self.health.note(id, health);
    }

    /// Whether a provider said that it is well when it was last asked.
    pub(super) fn was_well(&self, id: ProviderId) -> bool {
        let health = self.health.0.lock().unwrap_or_else(PoisonError::into_inner);

        health.get(&id.0).is_some_and(|health| health.error.is_none())
    }
}

/// The last probe of every provider.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<BTreeMap<u64, ProviderHealth>>);

impl Health {
    /// Forgets versions that are gone.
    fn keep(&self, loaded: &HashSet<ProviderId>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| loaded.contains(&ProviderId(*id)));
    }

    fn note(&self, id: ProviderId, health: &ProviderHealth) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.insert(id.0, health.clone()).and_then(|health| health.error);

        match (&before, &health.error) {
            (None, Some(error)) => tracing::warn!(provider = %health.name, error, "a provider is unhealthy"),
            (Some(_), None) => tracing::info!(provider = %health.name, "a provider is healthy again"),
            (None, None) | (Some(_), Some(_)) => (),
        }
    }
}

/// How long a provider may think about its health.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
