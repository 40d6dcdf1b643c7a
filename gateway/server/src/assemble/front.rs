//! The listeners: where callers and the gateway's own operators connect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use keyport_core::Gateway;
use keyport_core::custody::ConnectionHits;
use keyport_core::name::ProviderName;
use keyport_core::outside::Outside;
use keyport_host::Host;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};

use super::authentication;
use super::providers::Loader;
use super::reload::Running;
use super::signals::{Asked, Signals};
use crate::admin::{Admin, Warning};
use crate::administration::{Administration, Order};
use crate::auth::Authenticator;
use crate::config::{Config, Connection, Custodian};
use crate::contract::Contract;
use crate::contract::openapi::{self, OpenApi};
use crate::contract::remote_kms::RemoteKms;
use crate::contract::v1::{Publication, Remembered, Settings, V1};
use crate::contract::webhook::Webhook;
use crate::listen::{Limits, Listener};
use crate::route::{Route, Routes};
use crate::telemetry::{Count, Telemetry};
use crate::tls::{Certificates, Files};

/// Where the gateway is found, once it serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// Where callers connect, over TLS.
    pub(crate) listen: SocketAddr,
    /// Where health and metrics are read, over plain HTTP.
    pub(crate) admin: SocketAddr,
}

/// Both listeners, bound.
#[derive(Debug)]
pub(super) struct Front {
    addresses: Addresses,
    callers: Listener<Routes>,
    operators: Listener<Admin>,
    authenticator: Arc<Authenticator>,
    creates: Arc<Remembered>,
    stop: watch::Sender<bool>,
}

/// The certificates that callers are greeted with.
pub(super) fn certificates(config: &Config, outside: &Outside) -> Result<Arc<Certificates>> {
    let tls = &config.listen.tls;
    let files = Files {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        client_cas: authentication::client_authorities(config),
    };
    let certificates =
        Certificates::open(files, Arc::clone(&outside.clock)).context("TLS cannot be set up")?;
    Ok(Arc::new(certificates))
}

impl Front {
    /// Binds both sockets. Who connects waits until [`Front::serve`].
    pub(super) fn bind(
        config: &Config,
        (gateway, certificates, Loader { host, calls, .. }): (Arc<Gateway>, Arc<Certificates>, Loader),
        outside: &Outside,
    ) -> Result<Self> {
        let telemetry = Arc::new(Telemetry::new(limit_hits(host, &gateway), custodians_failed(&gateway)));
        let (stop, stopped) = watch::channel(false);
        let authenticator = authentication::authenticator(config, None, outside)?;
        let creates = Arc::new(Remembered::new(Arc::clone(&outside.clock)));
        let routes = Routes::new(
            routes(config, &gateway, &authenticator, &creates)?,
            config.listen.limits.request_timeout,
            outside.clone(),
            Arc::clone(&telemetry),
        );
        let (listen, admin) = (bind(config.listen.address)?, bind(config.admin.address)?);

        Ok(Self {
            addresses: Addresses { listen: local(&listen)?, admin: local(&admin)? },
            callers: Listener {
                socket: listen,
                tls: Some(Arc::clone(&certificates)),
                answer: Arc::new(routes),
                limits: limits(config),
                telemetry: Arc::clone(&telemetry),
            },
            operators: Listener {
                socket: admin,
                tls: None,
                answer: Arc::new(Admin {
                    gateway,
                    telemetry: Arc::clone(&telemetry),
                    certificates: Arc::clone(&certificates),
                    warnings: warnings(config),
                    calls: config.allow_testing.then_some(calls),
                    stop: stopped,
                }),
                limits: Limits { connections: ADMIN_CONNECTIONS, drain: ADMIN_DRAIN, ..limits(config) },
                telemetry,
            },
            authenticator,
            creates,
            stop,
        })
    }

    /// Who knows the callers, for a reload to learn from.
    pub(super) fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.authenticator)
    }

    /// The creates that may be asked for again, whatever is reloaded meanwhile.
    pub(super) fn creates(&self) -> Arc<Remembered> {
        Arc::clone(&self.creates)
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What finds the contract of a request, for a reload to replace.
    pub(super) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.callers.answer)
    }

    /// Serves until a signal says stop, and lets the requests in flight end; a second such signal cuts them off.
    /// The operators' listener goes last.
    pub(super) async fn serve(
        self,
        mut running: Running,
        mut signals: Signals,
        (administration, mut orders): (Administration, mpsc::Receiver<Order>),
    ) -> Result<()> {
        let Self { callers, operators, stop, .. } = self;
        let close = watch::Sender::new(false);
        let mut callers = tokio::spawn(callers.serve(stop.subscribe()));
        let operators = tokio::spawn(operators.serve(close.subscribe()));

        tokio::select! {
            () = administration.serve() => {}
            () = running.until_stopped(&mut signals, &mut orders) => {}
        }
        drop(administration);
        tracing::info!("stopping: requests in flight may end; signal again to cut them off");
        stop.send_replace(true);
        tokio::select! {
            ended = &mut callers => ended.context("the listener broke")?,
            () = second_stop(&mut signals) => callers.abort(),
        }
        close.send_replace(true);
        operators.await.context("the admin listener broke")
    }
}

/// What makes this a gateway for development or for tests.
fn warnings(config: &Config) -> Vec<Warning> {
    let derived = |connection: &Connection| match &connection.custodian {
        Custodian::Derived(_) => Some(Warning::DerivedKeys(connection.name.clone())),
        Custodian::Aws(_)
        | Custodian::Azure(_)
        | Custodian::Gcp(_)
        | Custodian::Http(_)
        | Custodian::Pkcs11(_)
        | Custodian::Soft { .. }
        | Custodian::Vault(_) => None,
    };
    let testing = config.allow_testing.then_some(Warning::TestingAllowed);

    config.connections.iter().filter_map(derived).chain(testing).collect()
}

async fn second_stop(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

/// The contracts that `config` serves to those whom `authenticator` knows.
pub(super) fn routes(
    config: &Config,
    gateway: &Arc<Gateway>,
    authenticator: &Arc<Authenticator>,
    creates: &Arc<Remembered>,
) -> Result<Vec<Route>> {
    let remote_kms = config.contracts.remote_kms.as_ref().map(|remote_kms| Route {
        path: remote_kms.path.clone(),
        contract: Contract::RemoteKms(RemoteKms {
            gateway: Arc::clone(gateway),
            authenticator: Arc::clone(authenticator),
            on_duplicate: remote_kms.on_duplicate,
            grace: remote_kms.grace,
        }),
    });
    let v1 = config.contracts.v1.as_ref().map(|v1| {
        let settings = Settings { grace: v1.grace, publications: publications(config) };
        let (gateway, authenticator) = (Arc::clone(gateway), Arc::clone(authenticator));
        let contract = V1::new(gateway, authenticator, settings, Arc::clone(creates));
        Route { path: v1.path.clone(), contract: Contract::V1(contract) }
    });
    let webhook = config.contracts.webhook.as_ref().map(|webhook| Route {
        path: webhook.path.clone(),
        contract: Contract::Webhook(Webhook {
            gateway: Arc::clone(gateway),
            authenticator: Arc::clone(authenticator),
            on_duplicate: webhook.on_duplicate,
        }),
    });

    let mut routes: Vec<_> = remote_kms.into_iter().chain(v1).chain(webhook).collect();
    routes.push(description(&routes)?);
    Ok(routes)
}

/// Where tools read what is served, and how it is called.
fn description(routes: &[Route]) -> Result<Route> {
    let served = routes.iter().filter_map(|route| Some((route.contract.part()?, route.path.as_str())));
    let openapi = OpenApi::new(served).context("the contracts cannot be described")?;

    Ok(Route { path: openapi::PATH.to_owned(), contract: Contract::OpenApi(openapi) })
}

fn publications(config: &Config) -> Vec<Publication> {
    let published = config.tenants.iter().filter_map(|tenant| Some((tenant, tenant.jwks.as_ref()?)));

    published
        .map(|(tenant, jwks)| Publication {
            id: jwks.id.clone(),
            tenant: tenant.name.clone(),
            keys: jwks.keys.clone(),
            kid: jwks.kid,
        })
        .collect()
}

/// How often each provider ran into each of its limits; a new loading of it together with what is left of the old one.
fn limit_hits(host: Arc<Host>, gateway: &Arc<Gateway>) -> impl Fn() -> Vec<Count> + use<> {
    let gateway = Arc::clone(gateway);

    move || {
        let mut hits: BTreeMap<(ProviderName, &'static str), u64> = BTreeMap::new();
        for stats in host.stats() {
            for (bound, count) in stats.bounds {
                *hits.entry((stats.provider.clone(), bound.as_str())).or_default() += count;
            }
            let ConnectionHits { provider, tenant } = gateway.connection_hits(&stats.provider);
            hits.insert((stats.provider.clone(), ConnectionHits::PROVIDER), provider);
            hits.insert((stats.provider, ConnectionHits::TENANT), tenant);
        }
        hits.into_iter().map(|((name, limit), count)| ([name.to_string(), limit.to_owned()], count)).collect()
    }
}

fn custodians_failed(gateway: &Arc<Gateway>) -> impl Fn() -> Vec<Count> + use<> {
    let gateway = Arc::clone(gateway);

    move || {
        let failed = gateway.custodian_failures().into_iter();
        failed.map(|failed| ([failed.connection.to_string(), failed.code], failed.count)).collect()
    }
}

fn limits(config: &Config) -> Limits {
    let limits = &config.listen.limits;
    Limits {
        connections: limits.connections,
        handshake: limits.handshake_timeout,
        header: limits.header_timeout,
        idle: limits.idle_timeout,
        drain: limits.drain_timeout,
    }
}

/// Must be called in a runtime.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };

    listen().with_context(|| format!("cannot listen on {address}"))
}

pub(super) fn local(socket: &TcpListener) -> Result<SocketAddr> {
    socket.local_addr().context("a socket has no address")
}

/// Connections that wait in the kernel while there are as many as there may be.
const BACKLOG: u32 = 1024;

const ADMIN_CONNECTIONS: u32 = 64;
const ADMIN_DRAIN: Duration = Duration::from_secs(1);
