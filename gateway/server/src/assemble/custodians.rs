//! The custodians that are configured, opened.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context, Result};
use keyport_backends::pkcs11::{self, Network, Pkcs11, TokenChoice, environment};
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_backends::worker::Program;
use keyport_core::backend::Backend;
use keyport_core::name::ConnectionName;
use keyport_store::Store;

use super::pin;
use crate::config::{self, Config, Connection, Custodian, Token, variables};

/// The configured master key, read.
pub(super) fn master_key(config: &Config) -> Result<Option<MasterKey>> {
    config.master_key.as_ref().map(read).transpose()
}

/// Every connection's backend. Each serves only the custodian that it is bound to, but for those that `rebind` names.
pub(super) async fn open(
    config: &Config,
    store: &Store,
    (master_key, rebind): (Option<&MasterKey>, &[ConnectionName]),
) -> Result<HashMap<ConnectionName, Arc<dyn Backend>>> {
    let mut backends = HashMap::new();
    for connection in &config.connections {
        let bound =
            if rebind.contains(&connection.name) { None } else { store.pinned(&connection.name).await? };
        let backend = open_one(connection, store, (master_key, bound))
            .await
            .with_context(|| format!("connection `{}` cannot be opened", connection.name))?;
        backends.insert(connection.name.clone(), backend);
    }
    Ok(backends)
}

async fn open_one(
    connection: &Connection,
    store: &Store,
    (master_key, bound): (Option<&MasterKey>, Option<String>),
) -> Result<Arc<dyn Backend>> {
    match &connection.custodian {
        Custodian::Pkcs11(token) => {
            let described = described(&connection.name, token, bound)?;
            Ok(Arc::new(Pkcs11::open(described).await?))
        }
        Custodian::Soft { cache } => {
            let master_key = master_key.context("the embedded token needs a master key")?;
            let bounds = Bounds {
                unsealed_keys: NonZeroUsize::new(*cache).unwrap_or(NonZeroUsize::MIN),
                ..Bounds::default()
            };
            Ok(Arc::new(Soft::open(store.sealed(), master_key, bounds).await?))
        }
    }
}

/// A token in the backend's terms, with its PIN read.
fn described(
    name: &ConnectionName,
    token: &config::Pkcs11,
    identity: Option<String>,
) -> Result<pkcs11::Connection> {
    let pin = token.pin.as_ref().map(|pin| pin::read(name, pin)).transpose()?;

    Ok(pkcs11::Connection {
        name: name.to_string(),
        module: token.module.clone(),
        token: match &token.token {
            Token::Label(label) => TokenChoice::Label(label.clone()),
            Token::Serial(serial) => TokenChoice::Serial(serial.clone()),
            Token::Slot(slot) => TokenChoice::Slot(*slot),
        },
        identity,
        pin,
        sessions: token.sessions,
        in_flight: token.in_flight,
        read_only: token.read_only,
        network: if token.network { Network::Allowed } else { Network::None },
        initialisation: token.initialisation.clone(),
        label: token.label.clone(),
        call_timeout: token.call_timeout,
        host: pkcs11_host(&token.environment),
    })
}

/// This very program as the process that a module runs in, with what modules may see of the environment and `more`.
pub(crate) fn pkcs11_host(more: &[String]) -> Program {
    Program {
        // Another file may be in its place by now; that one may not speak as this one does.
        path: "/proc/self/exe".into(),
        arguments: vec!["pkcs11-host".into()],
        environment: environment(variables(), more),
    }
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
