//! The servers that are measured: child processes on CPUs of their own.

mod cloud;
mod express;
mod floor;
mod gateway;
mod hsm;
mod transit;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::bench::Bench;
use crate::client::Target;
use crate::key::Proof;
pub(crate) use cloud::Cloud;
pub(crate) use express::{Crypto, Express};
pub(crate) use floor::{floor, forcing_floor};
pub(crate) use gateway::{Audit, Gateway, Instances};
pub(crate) use hsm::Hsm;
pub(crate) use transit::Transit;

/// A server that is ready. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// What it is, for the report.
    pub(crate) name: String,
    /// How to call it.
    pub(crate) target: Arc<Target>,
    child: Child,
    pid: u32,
}

impl Server {
    /// Starts `command` on the servers' CPUs and waits for the line `ready https://ADDRESS`.
    ///
    /// Its authority and its token are read from `folder` then; what it writes to standard error goes to a file there.
    async fn start(
        bench: &Bench,
        name: &str,
        mut command: Command,
        folder: &Path,
        proof: Proof,
    ) -> Result<Self> {
        let log = folder.join("log");
        let stderr =
            std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).kill_on_drop(true);

        let mut child =
            bench.cpus.as_server(|| command.spawn())?.with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().context("the server is gone")?;
        let address = match timeout(START, ready(&mut child)).await {
            Ok(Ok(address)) => address,
            Ok(Err(error)) => {
                return Err(error.context(format!("{name} did not start: see {}", log.display())));
            }
            Err(_) => bail!("{name} was not ready within {START:?}: see {}", log.display()),
        };

        let target = Arc::new(Target::new(folder, address, proof)?);
        Ok(Self { name: name.to_owned(), target, child, pid })
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks the server to end, and waits until it did.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("not a process")?;
        kill_process(pid, Signal::TERM)?;
        timeout(STOP, self.child.wait()).await.with_context(|| format!("{} does not stop", self.name))??;
        Ok(())
    }
}

/// Reads until the server says where it listens. What it prints later is read and dropped, so that it never waits.
async fn ready(child: &mut Child) -> Result<SocketAddr> {
    let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    while let Some(line) = lines.next_line().await? {
        let Some(address) = line.strip_prefix("ready https://") else { continue };
        let address = address.trim().parse().context("the ready line has no address")?;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok(address);
    }
    bail!("it ended")
}

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);
