//! Puts the gateway together from its configuration: the one place that names every concrete part.

mod authentication;
mod aws;
mod azure;
mod binding;
mod changes;
mod check;
mod code;
mod credential;
mod custodians;
mod front;
mod gcp;
pub(crate) mod inspect;
mod key_service;
mod pin;
pub(crate) mod probe;
mod providers;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
mod rates;
mod refused;
mod reload;
mod routine;
mod seed;
mod signals;
pub(crate) mod stage;
mod store;
mod swap;
pub(crate) mod tryout;
mod vault;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use keyport_core::Gateway;
use keyport_core::backend::Backend;
use keyport_core::custody::{Custody, Replicas};
use keyport_core::gateway::{Options, Parts, Tenant, Tenants, Versions};
use keyport_core::name::{ConnectionName, ProviderName};
use keyport_core::outside::Outside;
use keyport_store::Store;
use rustix::process::{Resource, Rlimit, geteuid, setrlimit};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub(crate) use check::check;
pub(crate) use front::Addresses;
pub(crate) use key_service::key_service;
pub(crate) use keyport_backends::http::{TrustError, base as service_url, trust};
pub(crate) use keyport_backends::pkcs11::host as serve_pkcs11;
pub(crate) use keyport_backends::secret_file::read as read_secret;
pub(crate) use keyport_backends::soft::{MasterKey, MasterKeyError};
pub(crate) use keyport_host::compiler_host as serve_compiler;
pub(crate) use keyport_store::{DataFolder, audit as audit_log};
pub(crate) use providers::{COMPILER_MEMORY, COMPONENT_SIZE};
pub(crate) use refused::forget_refused_pin;
pub(crate) use store::rotate;

use crate::administration::{Administration, Order};
use crate::config::Config;
use crate::outside::outside;
use binding::Binding;
use custodians::Purpose::Serve;
use front::Front;
use providers::Loader;
use reload::Running;
use signals::Signals;

/// A gateway to be run.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// What it runs with.
    pub(crate) config: &'a Config,
    /// Where that was read, and is read again when the gateway is told to reload.
    pub(crate) file: &'a Path,
    /// Its data folder, where that is taken already.
    pub(crate) folder: Option<DataFolder>,
    /// The connections that may have another custodian than before, if that one has every key.
    pub(crate) rebind: &'a [ConnectionName],
}

/// Runs the gateway until it is told to stop. `ready` is called once it serves.
///
/// Whatever fails before that leaves nothing running.
pub(crate) async fn run(start: Start<'_>, ready: impl FnOnce(Addresses)) -> Result<()> {
    let Start { config, file, folder, rebind } = start;
    leave_no_core_file()?;
    let signals = Signals::new().context("signals cannot be received")?;
    let outside = outside(Handle::current());
    let certificates = front::certificates(config, &outside)?;
    authentication::check(config)?;
    binding::check(config, rebind)?;
    let master_key = custodians::master_key(config)?;
    let folder = folder.map_or_else(|| DataFolder::lock(&config.data), Ok)?;
    let store = Store::open_locked(folder, Arc::clone(&outside.clock)).await?;

    let served = async {
        let audit = store::audit(config, &store).await?;
        let backends = custodians::open(config, &store, (master_key.as_ref(), rebind), Serve).await?;
        let custody = custody(config, &store, &backends, &outside);
        let code = code::cache(config, master_key.as_ref(), &*outside.random);
        let loader = Loader::new(config, (code, providers::kept(config, true)), custody.clone(), &outside)?;
        let providers = swap::first(config, &loader).await?;
        let gateway = Gateway::new(Parts {
            keys: store.keys(),
            audit,
            custody,
            tenants: tenants(config, &providers),
            options: options(config),
            outside: outside.clone(),
        });
        let front = Front::bind(config, (gateway.clone(), certificates.clone(), loader.clone()), &outside)?;
        let administration = administration(config)?;

        Binding::new(store.pins(), &gateway, &outside).bind(&backends, rebind, &replicas(config)).await?;
        gateway.start(summary(&providers)).await.context("the start cannot be recorded")?;
        let running = Running {
            file: file.to_owned(),
            config: config.clone(),
            providers,
            gateway: Arc::clone(&gateway),
            loader,
            certificates,
            routes: front.routes(),
            authenticator: front.authenticator(),
            creates: front.creates(),
            outside: outside.clone(),
        };
        let served = serve(running, (front, administration), signals, ready).await;
        let stopped = gateway.stop().await.context("the stop cannot be recorded");
        served.and(stopped)
    };

    let served = served.await;
    store.close().await;
    served
}

async fn serve(
    running: Running,
    (front, administration): (Front, (Administration, mpsc::Receiver<Order>)),
    signals: Signals,
    ready: impl FnOnce(Addresses),
) -> Result<()> {
    // Readiness is about every provider from its first answer on.
    running.gateway.probe().await;
    let _routine = routine::start(&running.gateway, &running.outside);

    ready(front.addresses());
    Box::pin(front.serve(running, signals, administration)).await
}

fn custody(
    config: &Config,
    store: &Store,
    backends: &HashMap<ConnectionName, Arc<dyn Backend>>,
    outside: &Outside,
) -> Arc<Custody> {
    let connections = config.limits.tenant_outbound_connections;
    Custody::new(outside.clone(), store.keys(), (backends.clone(), replicas(config)), connections)
}

/// Which connections stand in for which.
fn replicas(config: &Config) -> Replicas {
    let some = config.connections.iter().filter(|connection| !connection.replicas.is_empty());

    some.map(|connection| (connection.name.clone(), connection.replicas.clone())).collect()
}

fn administration(config: &Config) -> Result<(Administration, mpsc::Receiver<Order>)> {
    Administration::open(&config.data, geteuid().as_raw())
        .with_context(|| format!("no administration socket can be made in {}", config.data.display()))
}

/// This process's memory has the master key, PINs and unsealed keys.
fn leave_no_core_file() -> Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };

    setrlimit(Resource::Core, none).context("core files cannot be switched off")
}

fn options(config: &Config) -> Options {
    Options {
        create_timeout: config.limits.create_timeout,
        refusals_per_minute: config.limits.refusals_per_minute,
    }
}

fn tenants(config: &Config, providers: &HashMap<ProviderName, Arc<Versions>>) -> Tenants {
    let tenants = config.tenants.iter().map(|tenant| {
        let serve = config.providers.iter().filter(|provider| provider.serves(&tenant.name));
        let providers = serve
            .filter_map(|provider| Some((provider.name.clone(), Arc::clone(providers.get(&provider.name)?))))
            .collect();
        let rules = Tenant {
            default_provider: tenant.provider.clone(),
            routes: tenant.routes.clone(),
            providers,
            grace: tenant.grace,
            quota: tenant.quota.quota,
            callers: tenant
                .callers
                .iter()
                .map(|credentials| (credentials.caller.name.clone(), credentials.quota))
                .collect(),
            keys: tenant.quota.keys,
        };
        (tenant.name.clone(), rules)
    });
    Tenants::new(tenants.collect())
}

/// What the start's event says of this gateway.
fn summary(providers: &HashMap<ProviderName, Arc<Versions>>) -> String {
    format!("keyport {}, providers: {}", env!("CARGO_PKG_VERSION"), swap::summary(providers))
}
