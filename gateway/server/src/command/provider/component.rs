//! The component that a command works with, and what it gets to reach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use ipnet::{Ipv4Net, Ipv6Net};
use keyport_core::grant::ConnectionKind;
use keyport_core::name::ConnectionName;

use crate::assemble::stage::{Token, Trying};
use crate::command::print;
use crate::config;
use crate::project::{GRANTS, build};

/// A component, and what it is tried with.
#[derive(Args, Clone, Debug)]
pub(super) struct Component {
    /// The component: a file, one that is built in (builtin:soft), or a project's folder, which is built
    #[arg(value_parser = named, default_value = ".", value_name = "COMPONENT")]
    component: config::Component,
    /// A setting of the component; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// What it may reach, where it sends requests: the part of a configuration that follows its [[provider]] [default:
    /// grants.toml beside it]
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
    /// The server that it gets, where it sends requests, in the place of the little key service
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Who vouches for that server, in PEM; without it, whom the operating system trusts
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// The file with the token that the server wants, of mode 0600
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// A gateway's configuration, for components over key management services
    #[arg(long, value_name = "FILE", requires = "connection")]
    config: Option<PathBuf>,
    /// The connection of it that they get; keys are made there, and destroyed again
    #[arg(long, value_name = "NAME", requires = "config")]
    connection: Option<ConnectionName>,
    /// The vendor's library that components over PKCS#11 get
    #[arg(long, value_name = "FILE", requires = "token")]
    module: Option<PathBuf>,
    /// The token with this label; keys are made on it, and destroyed again
    #[arg(long, value_name = "LABEL", requires = "module")]
    token: Option<String>,
    /// The file with its PIN, of mode 0600; without it, the PIN is asked for
    #[arg(long, value_name = "FILE", requires = "token")]
    pin_file: Option<PathBuf>,
}

impl Component {
    /// What it is called in reports.
    pub(super) fn name(&self) -> String {
        self.component.to_string()
    }

    /// Builds what is a project; its component takes its place.
    pub(super) fn built(mut self) -> Result<Self> {
        if let config::Component::File(folder) = &self.component
            && folder.is_dir()
        {
            self.component = config::Component::File(build(folder, &print::step)?);
        }
        if let (None, config::Component::File(file)) = (&self.grants, &self.component) {
            self.grants = Some(file.with_file_name(GRANTS)).filter(|beside| beside.exists());
        }

        Ok(self)
    }

    /// The same for a stage.
    pub(super) fn trying(self) -> Result<Trying> {
        let token = self.module.zip(self.token);
        let read = |file: PathBuf| {
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
        };

        Ok(Trying {
            component: self.component,
            grants: self.grants.map(read).transpose()?,
            settings: BTreeMap::from_iter(self.settings),
            account: self
                .config
                .zip(self.connection)
                .map(|(file, name)| account(&file, &name))
                .transpose()?,
            server: self.url.map(|url| server(url, self.ca, self.token_file)),
            token: token.map(|(module, label)| Token { module, label, pin_file: self.pin_file }),
        })
    }
}

fn named(text: &str) -> std::result::Result<config::Component, String> {
    match text.strip_prefix("builtin:") {
        Some(name) => config::BuiltIn::named(name)
            .map(config::Component::BuiltIn)
            .ok_or_else(|| format!("nothing is built in by that name: write {}", config::BuiltIn::list())),
        None => Ok(config::Component::File(text.strip_prefix("file:").unwrap_or(text).into())),
    }
}

/// The configuration with this connection to a key management service and no other.
fn account(file: &Path, name: &ConnectionName) -> Result<Box<config::Config>> {
    let mut config = config::Config::load(file, &config::Environment::of_process())?;
    config.connections.retain(|connection| connection.name == *name);
    let [connection] = config.connections.as_slice() else {
        bail!("{} has no connection `{name}`", file.display())
    };

    let kind = connection.custodian.kind();
    match kind {
        ConnectionKind::Aws | ConnectionKind::Azure | ConnectionKind::Gcp | ConnectionKind::Vault => {
            Ok(Box::new(config))
        }
        ConnectionKind::Derived | ConnectionKind::Http | ConnectionKind::Pkcs11 | ConnectionKind::Soft => {
            bail!("connection `{name}` is of kind \"{}\", which is no key management service", kind.as_str())
        }
    }
}

/// A server that whoever tries a component with it has named, wherever it is.
fn server(url: String, ca: Option<PathBuf>, token_file: Option<PathBuf>) -> config::Http {
    config::Http {
        url,
        ca,
        credential: token_file.map(|file| config::Credential {
            header: "authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            source: config::SecretSource::File(file),
        }),
        private_addresses: vec![Ipv4Net::default().into(), Ipv6Net::default().into()],
        timeout: Duration::from_secs(30),
        response_size: 64 << 10,
    }
}

fn setting(text: &str) -> std::result::Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;

    Ok((name.to_owned(), value.to_owned()))
}
