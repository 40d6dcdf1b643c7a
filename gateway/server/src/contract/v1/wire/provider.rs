//! Providers: what they can do, and how they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyport_core::gateway::ProviderHealth;
use keyport_core::provider::Loaded;
use serde::Serialize;

use super::scheme;

/// The answer to `GET /providers`.
pub(in crate::contract::v1) fn providers(
    providers: &[(Arc<Loaded>, Option<ProviderHealth>)],
) -> Vec<ProviderObject<'_>> {
    providers.iter().map(|(loaded, health)| ProviderObject::of(loaded, health.as_ref())).collect()
}

/// One provider of the caller's tenant. Spelt as wallet issuers already read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::contract::v1) struct ProviderObject<'a> {
    provider_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    version: &'a str,
    component: &'a str,
    ok: bool,
    latency_ms: Option<u64>,
    error: Option<&'static str>,
    imports: bool,
    max_message: usize,
    key_types: BTreeMap<&'static str, Vec<&'static str>>,
}

impl<'a> ProviderObject<'a> {
    fn of(loaded: &'a Loaded, health: Option<&ProviderHealth>) -> Self {
        let error = match health {
            None => Some("not asked yet"),
            // What was wrong is for the operator: it may tell of more than this tenant.
            Some(ProviderHealth { error: Some(_), .. }) => Some("temporarily unable to serve"),
            Some(ProviderHealth { error: None, .. }) => None,
        };
        let schemes = |schemes: &[_]| schemes.iter().map(|each| scheme::name(*each)).collect();

        Self {
            provider_id: loaded.name.as_str(),
            kind: &loaded.descriptor.name,
            version: &loaded.descriptor.version,
            component: loaded.component.as_str(),
            ok: error.is_none(),
            latency_ms: health.map(|health| u64::try_from(health.latency.as_millis()).unwrap_or(u64::MAX)),
            error,
            imports: loaded.imports,
            max_message: loaded.descriptor.max_message,
            key_types: (loaded.descriptor.offers.iter())
                .map(|(key_type, offered)| (key_type.as_str(), schemes(offered)))
                .collect(),
        }
    }
}
