//! The custodians that are configured, opened.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context, Result};
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_core::backend::Backend;
use keyport_core::name::ConnectionName;
use keyport_store::Store;

use crate::config::{self, Config, Custodian};

/// The configured master key, read.
pub(super) fn master_key(config: &Config) -> Result<Option<MasterKey>> {
    config.master_key.as_ref().map(read).transpose()
}

/// Every connection's backend.
pub(super) async fn open(
    config: &Config,
    store: &Store,
    master_key: Option<&MasterKey>,
) -> Result<HashMap<ConnectionName, Arc<dyn Backend>>> {
    let mut backends = HashMap::<_, Arc<dyn Backend>>::new();
    for connection in &config.connections {
        let backend = match &connection.custodian {
            Custodian::Pkcs11(_) => {
                anyhow::bail!("connection `{}`: this build reaches no PKCS#11 tokens", connection.name)
            }
            Custodian::Soft { cache } => {
                let master_key = master_key.context("the embedded token needs a master key")?;
                let bounds = Bounds {
                    unsealed_keys: NonZeroUsize::new(*cache).unwrap_or(NonZeroUsize::MIN),
                    ..Bounds::default()
                };
                Soft::open(store.sealed(), master_key, bounds).await
            }
        };
        let backend =
            backend.with_context(|| format!("connection `{}` cannot be opened", connection.name))?;
        backends.insert(connection.name.clone(), Arc::new(backend));
    }
    Ok(backends)
}

fn read(master_key: &config::MasterKey) -> Result<MasterKey> {
    match master_key {
        config::MasterKey::File(file) => Ok(MasterKey::read(file)?),
        config::MasterKey::Environment { variable, text } => std::str::from_utf8(text.expose())
            .context("it is not text")
            .and_then(|text| Ok(text.parse()?))
            .with_context(|| format!("the environment variable `{variable}` does not hold a master key")),
    }
}
