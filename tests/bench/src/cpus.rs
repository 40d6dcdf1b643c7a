//! Which CPUs servers run on, and which clients: a load generator on the server's CPU would measure itself.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The machine's CPUs, halved; with one CPU, both halves are that one.
#[derive(Clone, Debug)]
pub(crate) struct Cpus {
    servers: CpuSet,
    clients: CpuSet,
}

impl Cpus {
    /// Gives the first half of the CPUs to servers, and binds this thread, and every thread it starts, to the others.
    pub(crate) fn split() -> Result<Self> {
        let all = sched_getaffinity(None).context("cannot ask which CPUs there are")?;
        let usable: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
        let (servers, clients) = match usable.as_slice() {
            [one] => (&[*one][..], &[*one][..]),
            several => several.split_at(several.len() / 2),
        };

        let cpus = Self { servers: set(servers), clients: set(clients) };
        bind(&cpus.clients)?;
        Ok(cpus)
    }

    /// The same, but servers have the clients' CPUs too.
    pub(crate) fn lent(&self) -> Self {
        let mut servers = self.servers;
        (0..CpuSet::MAX_CPU).filter(|cpu| self.clients.is_set(*cpu)).for_each(|cpu| servers.set(cpu));

        Self { servers, clients: self.clients }
    }

    /// The same, but servers have the clients' CPUs and no others.
    pub(crate) fn beside_clients(&self) -> Self {
        Self { servers: self.clients, clients: self.clients }
    }

    /// How many CPUs servers have.
    pub(crate) fn servers(&self) -> usize {
        count(&self.servers)
    }

    /// How many CPUs the load generator has.
    pub(crate) fn clients(&self) -> usize {
        count(&self.clients)
    }

    /// Does `work` on the servers' CPUs: a process that it starts stays there, with all its threads.
    pub(crate) fn as_server<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        bind(&self.servers)?;
        let done = work();
        bind(&self.clients)?;
        Ok(done)
    }
}

fn set(cpus: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    set
}

fn count(set: &CpuSet) -> usize {
    set.count() as usize
}

fn bind(cpus: &CpuSet) -> Result<()> {
    sched_setaffinity(None, cpus).context("cannot choose CPUs")
}
