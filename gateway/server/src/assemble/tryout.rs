//! One configured connection, opened as the gateway would and tried out. A gateway that runs goes on, and nothing in its
//! data folder is read or changed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use keyport_core::Failure;
use keyport_core::backend::Backend;
use keyport_core::custody::tryout::{TestKey, Tryout};
use keyport_core::grant::ConnectionKind;
use keyport_core::name::ConnectionName;
use keyport_core::outside::Outside;
use keyport_core::scheme::KeyType;
use keyport_store::Store;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::custodians::{self, Purpose};
use crate::config::Config;
use crate::outside::outside;

/// A connection that was opened.
#[derive(Debug)]
pub(crate) struct Connected {
    /// Its kind.
    pub(crate) kind: ConnectionKind,
    backend: Arc<dyn Backend>,
    outside: Outside,
    /// How long a call may take, of which making a key is the slowest.
    patience: Duration,
    store: Store,
    _folder: TempDir,
}

impl Connected {
    /// Opens the connection `name` of `config`. The embedded token's keys are in a store that is thrown away, and no
    /// connection is bound.
    pub(crate) async fn open(config: &Config, name: &ConnectionName) -> Result<Self> {
        let connection = config.connections.iter().find(|connection| connection.name == *name);
        let Some(connection) = connection.cloned() else { bail!(unknown(config, name)) };
        let kind = connection.custodian.kind();
        let alone = Config { connections: vec![connection], ..config.clone() };

        let outside = outside(Handle::current());
        let folder = tempfile::tempdir().context("no folder can be made to try it in")?;
        let store = Store::open(&folder.path().join("data"), Arc::clone(&outside.clock)).await?;
        let master_key = match kind {
            ConnectionKind::Soft => custodians::master_key(config)?,
            ConnectionKind::Aws
            | ConnectionKind::Azure
            | ConnectionKind::Derived
            | ConnectionKind::Gcp
            | ConnectionKind::Http
            | ConnectionKind::Pkcs11
            | ConnectionKind::Vault => None,
        };
        let opened = custodians::open(&alone, &store, (master_key.as_ref(), &[]), Purpose::Try).await;
        let backend = opened.and_then(|mut opened| {
            opened.remove(name).ok_or_else(|| anyhow!("connection `{name}` was not opened"))
        });

        match backend {
            Ok(backend) => {
                let patience = config.limits.create_timeout;
                Ok(Self { kind, backend, outside, patience, store, _folder: folder })
            }
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    /// What tells the custodian from every other.
    pub(crate) async fn identity(&self) -> Result<Option<String>, Failure> {
        self.backend.identity(self.outside.clock.now() + SOON).await
    }

    /// How long it took the custodian to say that it could serve now.
    pub(crate) async fn health(&self) -> Result<Duration, Failure> {
        let start = self.outside.clock.now();
        self.backend.health(start + SOON).await?;

        Ok(self.outside.clock.now().saturating_duration_since(start))
    }

    /// Whether it only passes on requests that providers word.
    pub(crate) fn takes_requests(&self) -> bool {
        self.backend.takes_requests()
    }

    /// Whether keys of this type can be made, where that can be told without making one.
    pub(crate) async fn offers(&self, key_type: KeyType) -> Option<Result<(), Failure>> {
        self.backend.offers(key_type, self.outside.clock.now() + SOON).await
    }

    /// Makes a key, has it sign, verifies, and destroys it.
    pub(crate) async fn test(&self, key_type: KeyType) -> TestKey {
        let tryout = Tryout {
            backend: &*self.backend,
            random: &*self.outside.random,
            clock: &*self.outside.clock,
            patience: self.patience,
        };

        tryout.key(key_type).await
    }

    /// What the custodian keeps of destroyed keys.
    pub(crate) fn leaves(&self) -> Option<String> {
        self.backend.leaves()
    }

    /// Leaves nothing.
    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

fn unknown(config: &Config, name: &ConnectionName) -> String {
    let known: Vec<_> = config.connections.iter().map(|connection| connection.name.as_str()).collect();

    format!("there is no connection `{name}`; the configuration has {}", known.join(", "))
}

/// Enough for a custodian that is there, and not so long that nobody waits for one that is not.
const SOON: Duration = Duration::from_secs(15);
