//! Where a provider is tried: a whole gateway but for its listeners, in a folder that is gone afterwards.

mod custodians;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use keyport_core::Gateway;
use keyport_core::audit::AuditLog;
use keyport_core::custody::Custody;
use keyport_core::gateway::{Options, Parts, Tenant, Tenants, Versions};
use keyport_core::grant::{ConnectionKind, Grant, Grants};
use keyport_core::name::{ConnectionName, ProviderName, TenantId};
use keyport_core::outside::Outside;
use keyport_core::provider::Loaded;
use keyport_core::quota::Quota;
use keyport_core::store::Keys;
use keyport_host::{CodeCache, Host, HostOptions, Import, Limits, Source};
pub(crate) use keyport_host::{Inspection, Instances, ProviderStats};
use keyport_store::Store;
use keyport_store::audit::{Durability, Options as AuditOptions};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{COMPILER_MEMORY, code, providers};
use crate::config::{Component, Config, Environment, Http};
use crate::dev;
use crate::kit::{Counted, Custodian, Switch};
use crate::outside::outside;
pub(crate) use custodians::Token;
use custodians::{Custodians, Lent, Server};

/// What is to be tried, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Trying {
    /// The component.
    pub(crate) component: Component,
    /// Its settings, by name.
    pub(crate) settings: BTreeMap<String, String>,
    /// The token that components over PKCS#11 get, if any.
    pub(crate) token: Option<Token>,
    /// A configuration with the one connection that components over key management services get, if any.
    pub(crate) account: Option<Box<Config>>,
    /// What follows its `[[provider]]` in a configuration, for components that send requests.
    pub(crate) grants: Option<String>,
    /// Where components that send requests send them; the little key service otherwise.
    pub(crate) server: Option<Http>,
}

/// A stage with a component on it.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What the component is, before it was tried.
    pub(crate) inspection: Inspection,
    /// What would have to be given for cases that need a custodian.
    pub(crate) missing: Option<String>,
    /// Whether custody sees everything that the custodians do.
    pub(crate) is_seen: bool,
    /// Time, randomness, tasks.
    pub(crate) outside: Outside,
    /// The ledger, and the custodians behind it.
    pub(crate) custody: Arc<Custody>,
    /// Rows of keys.
    pub(crate) keys: Arc<dyn Keys>,
    /// What a call may use.
    pub(crate) limits: Limits,
    /// How the custodians behave.
    pub(crate) switch: Switch,
    /// Counts what guests ask of custody.
    pub(crate) counted: Arc<Counted>,
    audit: Arc<dyn AuditLog>,
    host: Arc<Host>,
    bytes: Cow<'static, [u8]>,
    settings: BTreeMap<String, String>,
    grants: Vec<Grant>,
    store: Store,
    _service: Option<watch::Sender<bool>>,
    // Goes last: the store is in it.
    _folder: TempDir,
}

/// How a component is loaded.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// How often an instance of it is used.
    pub(crate) instances: Instances,
    /// Settings besides those that it is tried with.
    pub(crate) settings: BTreeMap<String, String>,
    /// Its grants, made of those that give it all it imports.
    pub(crate) grants: fn(Vec<Grant>) -> Vec<Grant>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { instances: Instances::Fresh, settings: BTreeMap::new(), grants: |grants| grants }
    }
}

impl Stage {
    /// Opens what the component needs by what it imports, and looks at it.
    pub(crate) async fn open(trying: Trying) -> Result<Self> {
        let (bytes, _) = providers::bytes(&trying.component).await?;
        let folder = tempfile::tempdir().context("no folder can be made to try it in")?;
        let outside = outside(Handle::current());
        let store = Store::open(&folder.path().join("data"), Arc::clone(&outside.clock)).await?;
        let options = AuditOptions { durability: Durability::Interval(FSYNC), ..AuditOptions::default() };
        let (audit, _) = store.audit(options).await?;

        let code = code::passing(folder.path().join("code"), &*outside.random);
        let (requests, limits) = match &trying.grants {
            Some(grants) => allowed(grants, folder.path(), &outside)?,
            None => (own_requests(&trying.component)?, Limits::default()),
        };
        let inspection = looked_at(&bytes, &limits, (code.clone(), &outside)).await?;
        let kinds: BTreeSet<_> = inspection.imports.iter().filter_map(Import::kind).collect();
        let server = Server::of(trying.server, &trying.component);
        let (token, account) = (trying.token.as_ref(), trying.account.as_deref());
        let lent = Lent { token, account, server: &server, requests: &requests };
        let custodians = Custodians::open(&kinds, lent, (&store, &outside)).await?;
        let switch = Switch::new(Arc::clone(&outside.clock));
        let backends = custodians.backends.into_iter();
        let backends = backends.map(|(name, backend)| (name, Custodian::wrap(backend, &switch))).collect();
        let (alone, connections) = ((backends, HashMap::new()), Limits::default().connections);
        let custody = Custody::new(outside.clone(), store.keys(), alone, connections);
        let counted = Arc::new(Counted::new(custody.clone()));
        let host = host(&counted, Some(code), &outside)?;

        Ok(Self {
            inspection,
            missing: custodians.missing,
            is_seen: custodians.is_seen,
            custody,
            keys: store.keys(),
            switch,
            counted,
            audit,
            host,
            bytes,
            settings: trying.settings,
            grants: custodians.grants,
            limits,
            outside,
            store,
            _service: custodians.service,
            _folder: folder,
        })
    }

    /// Loads the component as one of an outsider's, within the limits that it is tried with.
    pub(crate) async fn load(&self, manner: Manner) -> Result<Loaded> {
        Ok(Box::pin(self.host.load(self.source(manner)?)).await?)
    }

    /// The same on a host of its own, which has nothing of what was compiled before.
    pub(crate) async fn load_anew(&self, manner: Manner) -> Result<Loaded> {
        let host = host(&self.counted, None, &self.outside)?;

        Ok(Box::pin(host.load(self.source(manner)?)).await?)
    }

    fn source(&self, manner: Manner) -> Result<Source> {
        let mut settings = self.settings.clone();
        settings.extend(manner.settings);
        Ok(Source {
            name: PROVIDER.parse()?,
            bytes: self.bytes.clone(),
            sha256: None,
            settings,
            grants: Arc::new(Grants::new((manner.grants)(self.grants.clone()))),
            wasi: true,
            limits: self.limits.clone(),
            instances: manner.instances,
            trusted: false,
            required: false,
        })
    }

    /// What was counted of a provider that was loaded here.
    pub(crate) fn stats(&self, loaded: &Loaded) -> Result<ProviderStats> {
        let stats = self.host.stats().into_iter().find(|stats| stats.id == loaded.id);

        stats.ok_or_else(|| anyhow!("the provider is not loaded any more"))
    }

    /// A gateway that serves `tenant` with `loaded` alone.
    pub(crate) async fn gateway(&self, tenant: &TenantId, loaded: &Loaded) -> Result<Arc<Gateway>> {
        let name: ProviderName = PROVIDER.parse()?;
        let rules = Tenant {
            default_provider: name.clone(),
            routes: Vec::new(),
            providers: HashMap::from([(name, Versions::of(loaded.clone()))]),
            grace: Duration::ZERO,
            quota: Quota::default(),
            callers: HashMap::new(),
            keys: None,
        };
        let gateway = Gateway::new(Parts {
            outside: self.outside.clone(),
            keys: Arc::clone(&self.keys),
            audit: Arc::clone(&self.audit),
            custody: Arc::clone(&self.custody),
            tenants: Tenants::new(HashMap::from([(tenant.clone(), rules)])),
            options: Options { create_timeout: LONGEST, ..Options::default() },
        });

        gateway.start("a provider is tried".to_owned()).await.context("the start cannot be recorded")?;
        Ok(gateway)
    }

    /// Ends in order.
    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

/// The grants of requests and the limits in what follows a `[[provider]]`, read as a configuration's.
fn allowed(grants: &str, folder: &Path, outside: &Outside) -> Result<(Vec<Grant>, Limits)> {
    let service = Some(("http://127.0.0.1:1".to_owned(), "kms-token".into()));
    let (component, grants) = ("tried.wasm".into(), grants.to_owned());
    let tried = dev::Custodian::Tried(dev::Tried { component, sha256: "0".repeat(64), grants, service });
    // Nobody listens there.
    let listeners = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
    let file = dev::prepare(&folder.join("configuration"), listeners, &tried, outside)?;
    let config = Config::load(&file, &Environment::of_process())?;

    let provider = config.providers.iter().find(|provider| provider.name.as_str() == PROVIDER);
    let provider = provider.context("the configuration has no provider that is tried")?;
    let granted = provider.grants.iter().filter(|grant| grant.kind == ConnectionKind::Http).cloned();
    Ok((granted.collect(), providers::limits(&provider.limits)))
}

/// The grant of what a component of ours sends, where it sends anything.
fn own_requests(component: &Component) -> Result<Vec<Grant>> {
    let own = match component {
        Component::BuiltIn(built_in) => built_in.requests(),
        Component::File(_) | Component::Oci(_) => None,
    };
    let connection: ConnectionName = "kms".parse()?;

    Ok(own.into_iter().map(|requests| Grant::of_requests(connection.clone(), requests)).collect())
}

/// A look at the component by a host of its own, which reaches nothing.
async fn looked_at(
    bytes: &[u8],
    limits: &Limits,
    (code, outside): (CodeCache, &Outside),
) -> Result<Inspection> {
    let nobody = Arc::new(super::check::NoCustody);
    let host = Host::new(providers::options(COMPILER_MEMORY), Some(code), nobody, outside.clone())?;

    let looked = host.inspect(PROVIDER.parse()?, bytes.to_vec(), limits.clone()).await;
    looked.map_err(|refusal| anyhow!("a provider {refusal}"))
}

/// A host whose guests are bounded by each call's limits alone: what a tenant may use in a second is not at stake.
fn host(capabilities: &Arc<Counted>, code: Option<CodeCache>, outside: &Outside) -> Result<Arc<Host>> {
    let options = HostOptions { tenant_cpu: Duration::ZERO, ..providers::options(COMPILER_MEMORY) };

    Ok(Host::new(options, code, capabilities.clone(), outside.clone())?)
}

/// What the component is called as a provider.
const PROVIDER: &str = "tried";

/// The audit log is gone afterwards, so that nobody waits for the disk.
const FSYNC: Duration = Duration::from_secs(1);

/// Rows of a trial stay pending, and the gateway would otherwise give them up.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
