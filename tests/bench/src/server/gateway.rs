//! The gateway, as a process, on a data folder of its own.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::process::Command;
use toml::{Table, Value};

use super::Server;
use crate::bench::Bench;
use crate::key::Proof;

/// When audit entries are forced to the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Audit {
    /// Before each answer.
    Always,
    /// By a timer.
    Interval,
}

impl Audit {
    fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Interval => "interval",
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Always => "fsync",
            Self::Interval => "interval",
        }
    }
}

/// Whether calls of the provider share instances.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Instances {
    /// Each call has its own.
    Fresh,
    /// They share some.
    Reuse,
}

impl Instances {
    fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reuse => "reuse",
        }
    }
}

/// A data folder with a configuration.
#[derive(Debug)]
pub(crate) struct Gateway {
    name: String,
    folder: PathBuf,
}

impl Gateway {
    /// Lets `keyport dev` make a data folder, new under this label, and sets in its configuration what is measured.
    pub(crate) async fn prepare(
        bench: &Bench,
        label: &str,
        instances: Instances,
        audit: Audit,
    ) -> Result<Self> {
        let (instances, sync) = (instances.word(), audit.word());
        let name = format!("keyport, {instances}, {}", audit.heading());
        let folder = bench.folder.join(format!("{label}-{instances}-{sync}"));
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;

        let mut dev = Command::new(&bench.keyport);
        dev.arg("dev").arg("--data").arg(&folder).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        Server::start(bench, "keyport dev", dev, &folder, Proof::Digest).await?.stop().await?;

        let config = configured(&fs::read_to_string(folder.join("keyport.toml"))?, instances, sync)?;
        fs::write(folder.join(CONFIG), config)?;
        Ok(Self { name, folder })
    }

    /// Adds these lines to the end of its configuration; tables of a tenant belong to the last one.
    pub(crate) fn configure(&self, lines: &str) -> Result<()> {
        let file = self.folder.join(CONFIG);
        let before = fs::read_to_string(&file)?;
        fs::write(file, format!("{before}\n{lines}"))?;
        Ok(())
    }

    /// Its configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// Sets a field of its provider.
    pub(crate) fn set_provider(&self, field: &str, value: impl Into<Value>) -> Result<()> {
        let mut config: Table = toml::from_str(&fs::read_to_string(self.config())?)?;
        set(&mut config, field, value)?;
        fs::write(self.config(), toml::to_string(&config)?)?;
        Ok(())
    }

    /// Puts a file beside its configuration.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        fs::write(self.folder.join(name), content)?;
        Ok(())
    }

    /// Starts the gateway on the folder.
    pub(crate) async fn start(&self, bench: &Bench) -> Result<Server> {
        let mut command = Command::new(&bench.keyport);
        command.arg("serve").arg("--config").arg(self.folder.join(CONFIG));
        Server::start(bench, &self.name, command, &self.folder, Proof::Digest).await
    }
}

/// The configuration with these settings in place of the defaults.
fn configured(text: &str, instances: &str, sync: &str) -> Result<String> {
    let mut config: Table = toml::from_str(text)?;

    set(&mut config, "instances", instances)?;
    let audit = Table::from_iter([("sync".to_owned(), sync.into())]);
    config.insert("audit".to_owned(), audit.into());
    Ok(toml::to_string(&config)?)
}

/// Sets a field of the first provider.
fn set(config: &mut Table, field: &str, value: impl Into<Value>) -> Result<()> {
    let provider = config.get_mut("provider").and_then(|list| list.get_mut(0)).and_then(Value::as_table_mut);
    provider.context("the configuration has no provider")?.insert(field.to_owned(), value.into());
    Ok(())
}

const CONFIG: &str = "bench.toml";
