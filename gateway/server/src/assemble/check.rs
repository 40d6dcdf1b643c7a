//! Whether a configuration would start, found out without touching its data.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use keyport_core::custody::{Capabilities, Mechanism, OperationId, Target};
use keyport_core::name::ConnectionName;
use keyport_core::provider::ProviderId;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use tokio::runtime::Handle;

use super::{authentication, custodians, front, providers};
use crate::config::Config;
use crate::outside::outside;

/// Reads what `config` refers to: certificates, the master key, and every component, with what it imports compared
/// with its grants.
pub(crate) async fn check(config: &Config) -> Result<()> {
    let outside = outside(Handle::current());
    front::certificates(config, &outside)?;
    authentication::check(config)?;
    custodians::master_key(config)?;
    custodians::check_pins(config)?;

    let host = providers::host(config, None, Arc::new(NoCustody), &outside)?;
    providers::load(config, &host, &providers::kept(config, false)).await?;
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

    async fn sign(&self, _target: Target, _mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        Err(denied())
    }

    async fn destroy(&self, _target: Target) -> Result<(), Failure> {
        Err(denied())
    }

    async fn health(
        &self,
        _operation: OperationId,
        _provider: ProviderId,
        _connection: ConnectionName,
    ) -> Result<(), Failure> {
        Err(denied())
    }
}

fn denied() -> Failure {
    Failure::new(FailureKind::Denied, "this is only a check")
}
