//! Whether a configuration would start, found out without touching its data.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use keyport_core::backend::KeyState;
use keyport_core::custody::{Capabilities, Mechanism, Origin, Target};
use keyport_core::outbound::{Inbound, Outbound};
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use tokio::runtime::Handle;

use super::providers::Loader;
use super::{authentication, custodians, front, providers, swap};
use crate::config::Config;
use crate::outside::outside;

/// Reads what `config` refers to: certificates, the master key, and every component, with what it imports compared
/// with its grants.
pub(crate) async fn check(config: &Config) -> Result<()> {
    let outside = outside(Handle::current());
    front::certificates(config, &outside)?;
    authentication::check(config)?;
    custodians::master_key(config)?;
    custodians::check_secrets(config)?;

    let kept = providers::kept(config, false);
    let loader = Loader::new(config, (None, kept), Arc::new(NoCustody), &outside)?;
    swap::first(config, &loader).await?;
    Ok(())
}

/// Denies everything: a component that is only looked at has no business with keys.
#[derive(Debug)]
pub(super) struct NoCustody;

#[async_trait]
impl Capabilities for NoCustody {
    async fn generate(&self, _target: Target, _key_type: KeyType) -> Result<Vec<u8>, Failure> {
        Err(denied())
    }

    async fn import_key(
        &self,
        _target: Target,
        _key_type: KeyType,
        _reference: String,
    ) -> Result<Vec<u8>, Failure> {
        Err(denied())
    }

    async fn public_key(&self, _target: Target) -> Result<Vec<u8>, Failure> {
        Err(denied())
    }

    async fn state(&self, _target: Target) -> Result<KeyState, Failure> {
        Err(denied())
    }

    async fn sign(&self, _target: Target, _mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        Err(denied())
    }

    async fn destroy(&self, _target: Target) -> Result<(), Failure> {
        Err(denied())
    }

    async fn health(&self, _origin: Origin) -> Result<(), Failure> {
        Err(denied())
    }

    async fn request(&self, _origin: Origin, _request: Outbound) -> Result<Inbound, Failure> {
        Err(denied())
    }
}

fn denied() -> Failure {
    Failure::new(FailureKind::Denied, "this is only a check")
}
