//! The custodians that are configured, opened.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context, Result};
use keyport_backends::pkcs11::{self, Network, Pkcs11, TokenChoice, Verify, environment};
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_backends::worker::Program;
use keyport_core::backend::Backend;
use keyport_core::name::ConnectionName;
use keyport_store::{Pins, Store};
use tokio::task::JoinSet;

use super::{aws, azure, credential, gcp, pin, refused, seed, vault};
use crate::config::{self, Config, Connection, Custodian, Pin, Token, variables};

/// The configured master key, read.
pub(super) fn master_key(config: &Config) -> Result<Option<MasterKey>> {
    config.master_key.as_ref().map(read).transpose()
}

/// Whether each PIN that is in a file and each seed can be read, and each service could be called as it is described.
pub(super) fn check_secrets(config: &Config) -> Result<()> {
    for Connection { name, custodian, .. } in &config.connections {
        match custodian {
            Custodian::Aws(account) => aws::check(name, account).with_context(|| cannot_open(name))?,
            Custodian::Azure(vault) => {
                azure::opened(vault, Purpose::Serve).with_context(|| cannot_open(name))?;
            }
            Custodian::Derived(derived) => {
                seed::opened(derived).with_context(|| cannot_open(name))?;
            }
            Custodian::Gcp(ring) => {
                gcp::opened(ring, Purpose::Serve).with_context(|| cannot_open(name))?;
            }
            Custodian::Http(service) => {
                credential::opened(name, service).with_context(|| cannot_open(name))?;
            }
            Custodian::Pkcs11(token) => {
                if let Some(pin @ Pin::File(_)) = &token.pin {
                    pin::read(name, pin).with_context(|| cannot_open(name))?;
                }
            }
            Custodian::Soft { .. } => (),
            Custodian::Vault(engine) => vault::check(engine).with_context(|| cannot_open(name))?,
        }
    }

    Ok(())
}

/// How long a key service may still make a key that it did not answer for.
#[cfg(any(feature = "azure", feature = "gcp", feature = "vault"))]
pub(super) const DOUBT: std::time::Duration = std::time::Duration::from_secs(30);

/// What connections are opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To serve keys, of which some may have been asked for before.
    Serve,
    /// To try them with keys of a trial's own.
    Try,
}

/// Every connection's backend. Each serves only the custodian that it is bound to, but for those that `rebind` names.
///
/// For a while after each time that it is asked for a key, no key service is believed that there is none; nor after now, where keys
/// may have been asked for before.
///
/// Tokens are opened at the same time, so that a slow one does not keep the others waiting.
pub(super) async fn open(
    config: &Config,
    store: &Store,
    (master_key, rebind): (Option<&MasterKey>, &[ConnectionName]),
    purpose: Purpose,
) -> Result<HashMap<ConnectionName, Arc<dyn Backend>>> {
    let mut backends: HashMap<ConnectionName, Arc<dyn Backend>> = HashMap::new();
    let mut opening = JoinSet::new();
    for Connection { name, custodian, .. } in &config.connections {
        match custodian {
            Custodian::Aws(account) => {
                let bound = bound(name, store, rebind).await?;
                let opened = aws::opened(name, account, bound, purpose).with_context(|| cannot_open(name))?;
                backends.insert(name.clone(), opened);
            }
            Custodian::Azure(vault) => {
                backends
                    .insert(name.clone(), azure::opened(vault, purpose).with_context(|| cannot_open(name))?);
            }
            Custodian::Derived(derived) => {
                let bound = bound(name, store, rebind).await?;
                let derived = seed::serving(name, derived, bound.as_deref());
                backends.insert(name.clone(), Arc::new(derived.with_context(|| cannot_open(name))?));
            }
            Custodian::Gcp(ring) => {
                backends.insert(name.clone(), gcp::opened(ring, purpose).with_context(|| cannot_open(name))?);
            }
            Custodian::Http(service) => {
                let http = credential::opened(name, service).with_context(|| cannot_open(name))?;
                backends.insert(name.clone(), Arc::new(http));
            }
            Custodian::Pkcs11(token) => {
                let bound = bound(name, store, rebind).await?;
                let described = described(name, token, bound)?;
                let (name, pins) = (name.clone(), store.pins());
                opening.spawn(async move { (open_token(&name, described, &pins).await, name) });
            }
            Custodian::Soft { cache } => {
                let soft = open_soft(*cache, store, master_key).await;
                backends.insert(name.clone(), soft.with_context(|| cannot_open(name))?);
            }
            Custodian::Vault(engine) => {
                let bound = bound(name, store, rebind).await?;
                let opened = vault::opened(engine, bound, purpose).with_context(|| cannot_open(name))?;
                backends.insert(name.clone(), opened);
            }
        }
    }

    while let Some(opened) = opening.join_next().await {
        let (opened, name) = opened?;
        backends.insert(name.clone(), opened.with_context(|| cannot_open(&name))?);
    }
    Ok(backends)
}

/// The identity that a connection must have, unless it may have another.
async fn bound(name: &ConnectionName, store: &Store, rebind: &[ConnectionName]) -> Result<Option<String>> {
    if rebind.contains(name) { Ok(None) } else { Ok(store.pins().pinned(name).await?) }
}

async fn open_soft(cache: usize, store: &Store, master_key: Option<&MasterKey>) -> Result<Arc<dyn Backend>> {
    let master_key = master_key.context("the embedded token needs a master key")?;
    let unsealed_keys = NonZeroUsize::new(cache).unwrap_or(NonZeroUsize::MIN);
    let bounds = Bounds { unsealed_keys, ..Bounds::default() };

    Ok(Arc::new(Soft::open(store.sealed(), master_key, bounds).await?))
}

/// Opens a token, unless its PIN is the one that it refused last.
async fn open_token(
    name: &ConnectionName,
    token: pkcs11::Connection,
    pins: &Pins,
) -> Result<Arc<dyn Backend>> {
    let pin = token.pin.clone();
    if let Some(pin) = &pin {
        refused::check(name, pin, pins).await?;
    }

    let opened = Pkcs11::open(token).await;
    if let Some(pin) = &pin {
        refused::remember(name, pin, opened.as_ref().err(), pins).await?;
    }
    Ok(Arc::new(opened?))
}

fn cannot_open(name: &ConnectionName) -> String {
    format!("connection `{name}` cannot be opened")
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
        verify: if token.trust_handles { Verify::Handle } else { Verify::Signature },
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

#[cfg(all(test, not(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))))]
mod tests;
