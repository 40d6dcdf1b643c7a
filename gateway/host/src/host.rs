//! The host: one engine, its threads, and what all providers share.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use keyport_core::custody::Capabilities;
use keyport_core::outside::Outside;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::call::Component;
use crate::code::CodeCache;
use crate::compiler::Compiler;
use crate::engine::{Ticker, engine};
use crate::lines::Lines;
use crate::refusal::Detail;
use crate::stats::ProviderStats;
use crate::tenants::Tenants;
use crate::threads::Threads;

/// What all providers share.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostOptions {
    /// Instances at a time, of all providers; at most half of them idle.
    pub instances: u32,
    /// Threads for guests that are not trusted.
    pub threads: usize,
    /// Bytes of a component.
    pub component_size: usize,
    /// What compiles components that are not trusted; without it, a thread of the host's does, whatever that takes.
    pub compiler: Option<Compiler>,
    /// How long compiling a component may take, and its description.
    pub load_timeout: Duration,
    /// Calls of one tenant at a time, over all providers.
    pub tenant_in_flight: usize,
    /// CPU time per second of one tenant's guests that are not trusted; zero is no limit.
    pub tenant_cpu: Duration,
    /// How long a call waits for its place before it is refused.
    pub wait: Duration,
}

impl HostOptions {
    /// Bytes of a component, where nothing else is said.
    pub const COMPONENT_SIZE: usize = 32 << 20;
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            instances: 256,
            threads: 2,
            component_size: Self::COMPONENT_SIZE,
            compiler: None,
            // A component in Python takes 15 s of a whole CPU, and this may be a busy machine.
            load_timeout: Duration::from_secs(180),
            tenant_in_flight: 32,
            tenant_cpu: Duration::from_millis(500),
            wait: Duration::from_secs(1),
        }
    }
}

/// Runs provider components.
#[derive(Debug)]
pub struct Host {
    pub(crate) options: HostOptions,
    pub(crate) engine: Engine,
    pub(crate) code: Option<CodeCache>,
    pub(crate) capabilities: Arc<dyn Capabilities>,
    pub(crate) outside: Outside,
    pub(crate) threads: Threads,
    pub(crate) tenants: Tenants,
    pub(crate) lines: Lines,
    /// Places for idle instances.
    pub(crate) idle: Arc<Semaphore>,
    /// Places for compilations: one on a thread, where it outlives its time, still holds its own.
    pub(crate) compiling: Arc<Semaphore>,
    /// The id of the next provider to be loaded.
    pub(crate) next: AtomicU64,
    pub(crate) loaded: Mutex<Vec<Weak<Component>>>,
    _ticker: Ticker,
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine does not start; without the address space it reserves, for instance.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(Detail),
    /// A thread does not start.
    #[error("a thread of the WebAssembly host does not start")]
    Threads(#[source] io::Error),
}

impl Host {
    /// A host whose guests reach custodians through `capabilities` only. What it compiles is kept in `code`, if anywhere.
    ///
    /// It runs until it and all providers it loaded are dropped.
    pub fn new(
        options: HostOptions,
        code: Option<CodeCache>,
        capabilities: Arc<dyn Capabilities>,
        outside: Outside,
    ) -> Result<Arc<Self>, HostError> {
        let engine = engine(options.instances).map_err(|error| HostError::Engine(error.into()))?;
        let idle = usize::try_from(options.instances / 2).unwrap_or_default();

        Ok(Arc::new(Self {
            _ticker: Ticker::start(engine.clone()).map_err(HostError::Threads)?,
            threads: Threads::start(options.threads).map_err(HostError::Threads)?,
            lines: Lines::start().map_err(HostError::Threads)?,
            tenants: Tenants::new(options.tenant_in_flight, options.tenant_cpu),
            idle: Arc::new(Semaphore::new(idle)),
            compiling: Arc::new(Semaphore::new(COMPILATIONS)),
            next: AtomicU64::new(1),
            loaded: Mutex::default(),
            options,
            engine,
            code,
            capabilities,
            outside,
        }))
    }

    /// What was counted of each provider that is still there.
    #[must_use]
    pub fn stats(&self) -> Vec<ProviderStats> {
        self.components()
            .iter()
            .map(|component| component.guest.stats.read(component.guest.name.clone(), component.guest.id))
            .collect()
    }

    /// Drops every idle instance; answers whether there were any.
    pub(crate) fn clear_idle(&self) -> bool {
        self.components().iter().map(|component| component.idle.clear()).sum::<usize>() > 0
    }

    fn components(&self) -> Vec<Arc<Component>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|component| component.strong_count() > 0);

        loaded.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Components compiled at a time.
const COMPILATIONS: usize = 2;
