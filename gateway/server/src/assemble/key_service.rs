//! The little key service, with keys in memory.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_core::key::KeyId;
use keyport_core::name::TenantId;
use keyport_core::outside::Outside;
use keyport_core::store::{Reseal, SealedKeys};
use keyport_core::{Error, Result as CoreResult};
use tokio::sync::watch;

use super::front;
use crate::key_service::KeyService;
use crate::listen::{Limits, Listener};
use crate::telemetry::Telemetry;
use crate::token::Token;

/// A key service that listens and does not serve yet.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Where it is found: an address of this machine, over plain HTTP.
    pub(crate) address: SocketAddr,
    listener: Listener<KeyService>,
}

/// Binds a key service whose callers need the token.
pub(crate) async fn key_service(address: SocketAddr, token: &Token, outside: &Outside) -> Result<Bound> {
    let sealed: Arc<dyn SealedKeys> = Arc::new(Memory::default());
    let custodian = Arc::new(Soft::open(sealed, &MasterKey::random()?, Bounds::default()).await?);
    let socket = front::bind(address)?;
    let address = front::local(&socket)?;

    let listener = Listener {
        socket,
        tls: None,
        answer: Arc::new(KeyService::new(custodian, token, outside)),
        limits: Limits {
            connections: 1024,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(1),
        },
        telemetry: Arc::new(Telemetry::new(Vec::new, Vec::new)),
    };
    Ok(Bound { address, listener })
}

impl Bound {
    /// Serves until `stop` is true.
    pub(crate) async fn serve(self, stop: watch::Receiver<bool>) {
        self.listener.serve(stop).await;
    }
}

/// Sealed material in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    mark: Option<Vec<u8>>,
    keys: HashMap<(TenantId, KeyId), Vec<u8>>,
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SealedKeys for Memory {
    async fn put(&self, tenant: &TenantId, id: KeyId, sealed: &[u8]) -> CoreResult<()> {
        match self.kept().keys.insert((tenant.clone(), id), sealed.to_vec()) {
            None => Ok(()),
            Some(_) => Err(Error::KeyExists),
        }
    }

    async fn get(&self, tenant: &TenantId, id: KeyId) -> CoreResult<Option<Vec<u8>>> {
        Ok(self.kept().keys.get(&(tenant.clone(), id)).cloned())
    }

    async fn delete(&self, tenant: &TenantId, id: KeyId) -> CoreResult<()> {
        self.kept().keys.remove(&(tenant.clone(), id));
        Ok(())
    }

    async fn mark(&self) -> CoreResult<Option<Vec<u8>>> {
        Ok(self.kept().mark.clone())
    }

    async fn reseal(&self, mark: &[u8], reseal: &Reseal) -> CoreResult<u64> {
        let mut kept = self.kept();
        let mut next = HashMap::new();
        for ((tenant, id), sealed) in &kept.keys {
            next.insert((tenant.clone(), *id), reseal(tenant, *id, sealed)?);
        }

        *kept = Kept { mark: Some(mark.to_vec()), keys: next };
        Ok(u64::try_from(kept.keys.len()).unwrap_or(u64::MAX))
    }
}
