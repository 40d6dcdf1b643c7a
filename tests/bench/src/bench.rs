//! One run of the bench: what it measures, where it writes, and how often it repeats.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::Options;
use crate::cpus::Cpus;

/// What every scenario needs.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    /// What was asked for.
    pub(crate) options: Options,
    /// Where servers and clients run.
    pub(crate) cpus: Cpus,
    /// Where everything is written.
    pub(crate) folder: PathBuf,
    /// The gateway.
    pub(crate) keyport: PathBuf,
    /// This program, which is the floor too.
    pub(crate) own: PathBuf,
}

impl Bench {
    /// Finds the programs and the folder, and takes the clients' CPUs for this thread and those it starts.
    pub(crate) fn new(options: Options) -> Result<Self> {
        ensure!(
            !cfg!(debug_assertions) || options.quick,
            "this is a debug build, which measures nothing worth knowing: cargo run --release -p keyport-bench"
        );
        let own = std::env::current_exe().context("cannot find this program")?;
        let keyport = options.keyport.clone().unwrap_or_else(|| own.with_file_name("keyport"));
        ensure!(
            keyport.exists(),
            "there is no gateway at {}: cargo build --release -p keyport",
            keyport.display()
        );

        let beside = own.parent().and_then(|profile| profile.parent()).map(|target| target.join("bench"));
        let folder = options.folder.clone().or(beside).context("--folder is needed here")?;
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = folder.canonicalize().context("cannot find the folder again")?;

        Ok(Self { options, cpus: Cpus::split()?, folder, keyport, own })
    }

    /// The same, with servers on every CPU: for rates of what waits for something slow, where a server's own work has time.
    pub(crate) fn on_every_cpu(&self) -> Self {
        Self { cpus: self.cpus.lent(), ..self.clone() }
    }

    /// The same, with servers on the clients' CPUs: for what stands before another server, which has the others to itself.
    pub(crate) fn beside_clients(&self) -> Self {
        Self { cpus: self.cpus.beside_clients(), ..self.clone() }
    }

    /// How often each variant is measured.
    pub(crate) fn rounds(&self) -> usize {
        if self.options.quick { 2 } else { 5 }
    }

    /// `full` requests, or few enough to be quick.
    pub(crate) fn requests(&self, full: usize) -> usize {
        if self.options.quick { (full / 20).max(200) } else { full }
    }
}
