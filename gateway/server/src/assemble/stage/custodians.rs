//! The custodians that a component is tried with: the one place that decides which there are, by what it imports.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use keyport_backends::derived::{Derived, Seed};
use keyport_backends::http;
use keyport_backends::pkcs11::{self, Network, Pkcs11, TokenChoice, Verify};
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_core::backend::Backend;
use keyport_core::grant::{ConnectionKind, Grant, Use};
use keyport_core::name::ConnectionName;
use keyport_core::outside::Outside;
use keyport_core::secret::Secret;
use keyport_store::Store;
use tokio::sync::watch;

use crate::assemble::credential;
use crate::assemble::custodians::{Purpose, open, pkcs11_host};
use crate::assemble::key_service;
use crate::assemble::pin;
use crate::config::{Component, Config, Http, Pin};

/// A token behind a PKCS#11 module, to try a component with.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The vendor's library.
    pub(crate) module: PathBuf,
    /// The token's label.
    pub(crate) label: String,
    /// The file with the user's PIN; without it, the PIN is asked for.
    pub(crate) pin_file: Option<PathBuf>,
}

/// What answers the requests of components that send some.
#[derive(Clone, Debug)]
pub(super) enum Server {
    /// Somebody's.
    Named(Box<Http>),
    /// The little key service.
    Little,
    /// Nobody: it is not the little key service that the component speaks to.
    None,
}

impl Server {
    /// The one that was named; else the little key service, which only our own components do not speak to.
    pub(super) fn of(named: Option<Http>, component: &Component) -> Self {
        match (named, component) {
            (Some(named), _) => Self::Named(Box::new(named)),
            (None, Component::BuiltIn(_)) => Self::None,
            (None, Component::File(_) | Component::Oci(_)) => Self::Little,
        }
    }
}

/// What was given to try a component with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lent<'a> {
    pub(super) token: Option<&'a Token>,
    /// A configuration with one connection to a key management service.
    pub(super) account: Option<&'a Config>,
    pub(super) server: &'a Server,
    pub(super) requests: &'a [Grant],
}

/// What there is for a component to reach.
#[derive(Debug)]
pub(super) struct Custodians {
    pub(super) grants: Vec<Grant>,
    pub(super) backends: HashMap<ConnectionName, Arc<dyn Backend>>,
    /// Whether custody sees everything that they do: it does where backends reach them.
    pub(super) is_seen: bool,
    /// What would have to be given to reach what is not there.
    pub(super) missing: Option<String>,
    /// Keeps the key service running, if there is one.
    pub(super) service: Option<watch::Sender<bool>>,
}

impl Custodians {
    /// A custodian of each of these kinds, as far as it can be had.
    pub(super) async fn open(
        kinds: &BTreeSet<ConnectionKind>,
        Lent { token, account, server, requests }: Lent<'_>,
        (store, outside): (&Store, &Outside),
    ) -> Result<Self> {
        let mut custodians = Self {
            grants: Vec::new(),
            backends: HashMap::new(),
            is_seen: true,
            missing: None,
            service: None,
        };
        for kind in kinds {
            match (kind, token) {
                (
                    ConnectionKind::Aws | ConnectionKind::Azure | ConnectionKind::Gcp | ConnectionKind::Vault,
                    _,
                ) => {
                    custodians.account(account, *kind, store).await?;
                }
                (ConnectionKind::Derived, _) => {
                    custodians.add("derived", *kind, Some(derived(outside)?))?;
                }
                (ConnectionKind::Http, _) => custodians.serve(server, requests, outside).await?,
                (ConnectionKind::Soft, _) => custodians.add("embedded", *kind, Some(soft(store).await?))?,
                (ConnectionKind::Pkcs11, Some(token)) => {
                    custodians.add(HSM, *kind, Some(open_token(token).await?))?;
                }
                (ConnectionKind::Pkcs11, None) => {
                    custodians.add(HSM, *kind, None)?;
                    custodians.missing =
                        Some("it needs a token: give --module, --token and --pin-file".to_owned());
                }
            }
        }

        Ok(custodians)
    }

    /// Opens the account of a key management service.
    async fn account(&mut self, account: Option<&Config>, kind: ConnectionKind, store: &Store) -> Result<()> {
        let Some(account) = account else {
            self.missing = Some("it needs a service: give --config and --connection".to_owned());
            return self.add("kms", kind, None);
        };

        let opened = open(account, store, (None, &[]), Purpose::Try).await?;
        for (name, backend) in opened {
            self.add(name.as_str(), kind, Some(backend))?;
        }
        Ok(())
    }

    /// Opens the server that the grants of requests are on.
    async fn serve(&mut self, server: &Server, requests: &[Grant], outside: &Outside) -> Result<()> {
        self.is_seen = false;
        let Some(granted) = requests.first() else { return self.lack(NO_GRANTS) };
        let http = match server {
            Server::Named(named) => credential::opened(&granted.connection, named)?,
            Server::Little => self.little(outside).await?,
            Server::None => return self.lack(NO_SERVER),
        };

        self.backends.insert(granted.connection.clone(), Arc::new(http));
        self.grants.extend(requests.iter().cloned());
        Ok(())
    }

    /// Runs the little key service.
    async fn little(&mut self, outside: &Outside) -> Result<http::Http> {
        let token = crate::token::Token::random(&*outside.random);
        let service = key_service((Ipv4Addr::LOCALHOST, 0).into(), &token, outside).await?;
        let value = Secret::new(format!("Bearer {}", token.expose()).into_bytes());
        let http = http::Http::open(http::Connection {
            url: format!("http://{}", service.address),
            ca: None,
            credential: Some(http::Credential { header: "authorization".to_owned(), value }),
            private_addresses: vec![IpAddr::from(Ipv4Addr::LOCALHOST).into()],
            timeout: Duration::from_secs(30),
            response_size: 64 << 10,
        })?;

        let (going_on, stop) = watch::channel(false);
        tokio::spawn(service.serve(stop));
        self.service = Some(going_on);
        Ok(http)
    }

    /// A connection with nothing behind it.
    fn lack(&mut self, missing: &str) -> Result<()> {
        self.missing = Some(missing.to_owned());

        self.add("kms", ConnectionKind::Http, None)
    }

    fn add(&mut self, name: &str, kind: ConnectionKind, backend: Option<Arc<dyn Backend>>) -> Result<()> {
        let connection: ConnectionName = name.parse()?;
        if let Some(backend) = backend {
            self.backends.insert(connection.clone(), backend);
        }
        self.grants.push(Grant {
            connection,
            kind,
            uses: Use::ALL.into_iter().collect(),
            mechanisms: None,
            objects: Vec::new(),
            requests: Vec::new(),
        });

        Ok(())
    }
}

/// An embedded token of its own, under a master key that nobody keeps.
async fn soft(store: &Store) -> Result<Arc<dyn Backend>> {
    let master_key = MasterKey::random()?;

    Ok(Arc::new(Soft::open(store.sealed(), &master_key, Bounds::default()).await?))
}

/// Keys of a seed that nobody keeps.
fn derived(outside: &Outside) -> Result<Arc<dyn Backend>> {
    let mut seed = [0; 32];
    outside.random.fill(&mut seed);

    Ok(Arc::new(Derived::new(Seed::new(&seed), None)?))
}

async fn open_token(token: &Token) -> Result<Arc<dyn Backend>> {
    let from = token.pin_file.clone().map_or(Pin::Prompt, Pin::File);
    let opened = Pkcs11::open(pkcs11::Connection {
        name: HSM.to_owned(),
        module: std::path::absolute(&token.module)?,
        token: TokenChoice::Label(token.label.clone()),
        identity: None,
        pin: Some(pin::read(&HSM.parse()?, &from)?),
        sessions: SESSIONS,
        in_flight: SESSIONS,
        read_only: false,
        verify: Verify::Signature,
        network: Network::None,
        initialisation: None,
        label: "keyport:{tenant}:{key}".to_owned(),
        call_timeout: Duration::from_secs(30),
        host: pkcs11_host(&[]),
    });

    let opened = opened.await.with_context(|| format!("token `{}` cannot be opened", token.label))?;
    Ok(Arc::new(opened))
}

const HSM: &str = "hsm";
const NO_SERVER: &str = "it needs a server to send its requests to: give --url, and --ca and --token-file";
const NO_GRANTS: &str =
    "it sends requests, and nothing says which: give --grants FILE, or try the project's folder";

/// As many as are asked for at once.
const SESSIONS: NonZeroUsize = match NonZeroUsize::new(16) {
    Some(sessions) => sessions,
    None => NonZeroUsize::MIN,
};
