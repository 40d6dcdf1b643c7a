//! A stand-in for a key management service, and a gateway on it.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{START, Server};
use crate::bench::Bench;
use crate::key::Proof;
use crate::stand_in::{Service, custodian};
use crate::usage::Cpu;

/// A stand-in, and the folder of a gateway on it.
#[derive(Debug)]
pub(crate) struct Cloud {
    service: Service,
    folder: PathBuf,
    process: Child,
}

impl Cloud {
    /// Starts one on the servers' CPUs.
    pub(crate) async fn start(bench: &Bench, service: Service) -> Result<Self> {
        let folder = bench.folder.join(service.argument());
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;

        let mut command = Command::new(&bench.own);
        command.args(["stand-in", "--service", service.argument(), "--folder"]).arg(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = bench.cpus.as_server(|| command.spawn())?.context("cannot start a stand-in")?;
        let mut lines = BufReader::new(process.stdout.take().context("no standard output")?).lines();
        let line = timeout(START, lines.next_line()).await.context("the stand-in is not ready")??;
        ensure!(line.is_some_and(|line| line.starts_with("ready ")), "the stand-in did not start");

        Ok(Self { service, folder, process })
    }

    /// Starts a gateway whose new keys are there.
    pub(crate) async fn gateway(&self, bench: &Bench) -> Result<Server> {
        let mut command = Command::new(&bench.keyport);
        command.args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--data").arg(&self.folder).arg("--custodian").arg(custodian(&self.folder));
        let name = format!("keyport, {}", self.service.argument());
        Server::start(bench, &name, command, &self.folder, Proof::Digest).await
    }

    /// CPU time that the stand-in has used.
    pub(crate) fn used(&self) -> Result<Cpu> {
        Cpu::of(self.process.id().context("the stand-in is gone")?)
    }
}
