//! What was counted of each provider, for metrics.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use keyport_core::name::ProviderName;
use keyport_core::provider::ProviderId;

/// A bound that a guest can run into.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Bound {
    /// CPU time of one call.
    Cpu,
    /// The call's deadline.
    Deadline,
    /// Bytes across the border in one host call or answer.
    HostBytes,
    /// Calls of the provider at a time.
    InFlight,
    /// Instances of all providers at a time.
    Instances,
    /// Log lines or bytes per second.
    Log,
    /// Memory or table entries of one instance.
    Memory,
    /// Resources that an instance holds at a time.
    Resources,
    /// Bytes of a signature, public key or handle.
    ResultBytes,
    /// The guest's stack.
    Stack,
    /// CPU time of one tenant's guests per second.
    TenantCpu,
    /// Calls of the tenant at a time.
    TenantInFlight,
}

impl Bound {
    /// Every bound.
    pub const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Deadline,
        Self::HostBytes,
        Self::InFlight,
        Self::Instances,
        Self::Log,
        Self::Memory,
        Self::Resources,
        Self::ResultBytes,
        Self::Stack,
        Self::TenantCpu,
        Self::TenantInFlight,
    ];

    /// The bound's name in failures and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Deadline => "deadline",
            Self::HostBytes => "host-bytes",
            Self::InFlight => "in-flight",
            Self::Instances => "instances",
            Self::Log => "log",
            Self::Memory => "memory",
            Self::Resources => "resources",
            Self::ResultBytes => "result-bytes",
            Self::Stack => "stack",
            Self::TenantCpu => "tenant-cpu",
            Self::TenantInFlight => "tenant-in-flight",
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was counted of one loaded provider since it was loaded.
#[derive(Clone, Debug)]
pub struct ProviderStats {
    /// Its configured name.
    pub provider: ProviderName,
    /// Which loading of it.
    pub id: ProviderId,
    /// Whether it had to be compiled when it was loaded; otherwise its code was kept from before.
    pub compiled: bool,
    /// Calls that got a place, `describe` included.
    pub calls: u64,
    /// CPU time of those calls; where the provider is trusted, in ticks of 5 ms that found one running.
    pub cpu: Duration,
    /// Functions of the host that those calls have called.
    pub host_calls: u64,
    /// Instances made.
    pub instances: u64,
    /// Bytes of linear memory that the largest of them has had.
    pub memory: usize,
    /// Calls that ended in a trap, whatever the reason.
    pub traps: u64,
    /// How often each bound was hit.
    pub bounds: Vec<(Bound, u64)>,
}

/// The counters behind [`ProviderStats`].
#[derive(Debug)]
pub(crate) struct Stats {
    compiled: bool,
    calls: AtomicU64,
    cpu: AtomicU64,
    host_calls: AtomicU64,
    instances: AtomicU64,
    memory: AtomicUsize,
    traps: AtomicU64,
    bounds: [AtomicU64; Bound::ALL.len()],
}

impl Stats {
    pub(crate) fn new(compiled: bool) -> Self {
        Self {
            compiled,
            calls: AtomicU64::default(),
            cpu: AtomicU64::default(),
            host_calls: AtomicU64::default(),
            instances: AtomicU64::default(),
            memory: AtomicUsize::default(),
            traps: AtomicU64::default(),
            bounds: <[AtomicU64; Bound::ALL.len()]>::default(),
        }
    }

    pub(crate) fn called(&self, cpu: Duration, host_calls: u64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.host_calls.fetch_add(host_calls, Ordering::Relaxed);
        self.cpu.fetch_add(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn instantiated(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn has_memory(&self, bytes: usize) {
        self.memory.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(crate) fn trapped(&self) {
        self.traps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn hit(&self, bound: Bound) {
        for (counted, counter) in Bound::ALL.iter().zip(&self.bounds) {
            if *counted == bound {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn read(&self, provider: ProviderName, id: ProviderId) -> ProviderStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);

        ProviderStats {
            provider,
            id,
            compiled: self.compiled,
            calls: read(&self.calls),
            cpu: Duration::from_nanos(read(&self.cpu)),
            host_calls: read(&self.host_calls),
            instances: read(&self.instances),
            memory: self.memory.load(Ordering::Relaxed),
            traps: read(&self.traps),
            bounds: Bound::ALL.into_iter().zip(self.bounds.iter().map(read)).collect(),
        }
    }
}
