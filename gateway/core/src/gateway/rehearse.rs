//! Tries a new version of a provider before it serves.

use std::sync::Arc;
use std::time::Instant;

use super::Gateway;
use crate::audit::{Event, Operation, Outcome};
use crate::key::KeyName;
use crate::name::TenantId;
use crate::provider::Loaded;
use crate::{Error, Result};

/// Why a new version does not take over.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It says that it cannot serve, where the version that serves can.
    #[error("it is not healthy: {0}")]
    Ill(String),
    /// It was to sign with the probe key, and did not.
    #[error("it does not sign with the probe key `{key}` of tenant `{tenant}`: {}", cause.detail())]
    Probe {
        /// Whose key.
        tenant: TenantId,
        /// Which.
        key: KeyName,
        /// Why.
        cause: Error,
    },
}

impl Gateway {
    /// Whether `newer` may serve in the place of `serving`, or beside it: it is healthy, and signs with the active key
    /// `probe`, which is one of its provider's. The signature is verified, recorded, and seen by nobody.
    ///
    /// Where the version that serves is ill, too, the new one need not be well: it may be what mends it.
    pub async fn rehearse(
        &self,
        newer: &Loaded,
        serving: &Loaded,
        probe: Option<&(TenantId, KeyName)>,
        deadline: Instant,
    ) -> Result<(), Unfit> {
        if let Some((tenant, _)) = self.tenants().in_use().remove(&serving.id.0) {
            let health = self.ask_health(tenant, newer, deadline).await;
            if let Some(error) = health.error.clone().filter(|_| self.was_well(serving.id)) {
                return Err(Unfit::Ill(error));
            }
            self.note_health(newer.id, &health);
        }
        let Some((tenant, key)) = probe else { return Ok(()) };

        self.signs_probe(newer, (tenant, key), deadline).await.map_err(|cause| Unfit::Probe {
            tenant: tenant.clone(),
            key: key.clone(),
            cause,
        })
    }

    async fn signs_probe(
        &self,
        newer: &Loaded,
        (tenant, name): (&TenantId, &KeyName),
        deadline: Instant,
    ) -> Result<()> {
        let key = self.keys.active(tenant, name).await?.ok_or(Error::KeyNotFound)?;
        if key.provider != newer.name {
            return Err(Error::invalid("probe-key", format!("is a key of provider `{}`", key.provider)));
        }
        let mut draft = Event::new(self.outside.clock.wall(), Operation::Sign, Outcome::Unknown).about(&key);
        draft.component = Some(newer.component.clone());
        draft.detail = Some("the probe of a new version".to_owned());
        draft.scheme = newer.descriptor.scheme_of(key.key_type);
        self.announce(&mut draft, newer, deadline).await?;

        let signed = self.challenged(newer, Arc::clone(&key), None, deadline).await;
        self.record(draft, signed, deadline).await.map(drop)
    }
}
