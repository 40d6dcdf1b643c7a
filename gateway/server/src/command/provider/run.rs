//! `keyport provider run`: a gateway with nothing but this provider.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::assemble::inspect::identify;
use crate::assemble::{Start, key_service};
use crate::command::{block_on, print};
use crate::config::{Config, Environment};
use crate::project::{GRANTS, build};
use crate::token::Token;
use crate::{assemble, dev, outside};

/// Run a gateway with nothing but this provider, and print how to call it
///
/// Where the provider is granted a connection `kms` of kind `http`, the little key service is run for it.
#[derive(Args, Debug)]
pub(in crate::command) struct Run {
    /// The component, or the project's folder, which is built
    #[arg(default_value = ".", value_name = "PATH")]
    provider: PathBuf,
    /// What it may reach: the part of a configuration that follows its [[provider]] [default: grants.toml beside it]
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
    /// The folder that everything is kept in; made if it is not there
    #[arg(long, default_value = "./keyport-data", value_name = "DIR")]
    data: PathBuf,
    /// Where callers connect; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDR")]
    listen: SocketAddr,
    /// Where health and metrics are read; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8444", value_name = "ADDR")]
    admin: SocketAddr,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> Result<()> {
        let component =
            if self.provider.is_dir() { build(&self.provider, &print::step)? } else { self.provider.clone() };
        let (digest, _) = identify(&component).await?;
        let sha256 = digest.as_str().trim_start_matches("sha256:").to_owned();
        let grants = self.grants(&component).await?;
        let folder = assemble::DataFolder::lock(&self.data)?;
        let outside = outside::outside(Handle::current());

        let (_going_on, stop) = watch::channel(false);
        let service = match calls_the_service(&grants) {
            true => Some(self.service(&outside, stop).await?),
            false => None,
        };
        let component = std::path::absolute(&component).context("there is no current folder")?;
        let tried = dev::Custodian::Tried(dev::Tried { component, sha256, grants, service });
        let file = dev::prepare(&self.data, (self.listen, self.admin), &tried, &outside)?;
        let config = Config::load(&file, &Environment::of_process())?;

        let data = self.data;
        let start = Start { config: &config, file: &file, folder: Some(folder), rebind: &[] };
        assemble::run(start, |addresses| print::line(dev::greeting(&data, addresses))).await
    }

    async fn grants(&self, component: &Path) -> Result<String> {
        let beside = component.with_file_name(GRANTS);
        let file = self.grants.as_ref().unwrap_or(&beside);
        let text = tokio::fs::read_to_string(file).await;

        text.with_context(|| {
            format!("cannot read {}: it says what the provider may reach (--grants FILE)", file.display())
        })
    }

    /// Runs the key service; answers its URL, and the file with the token for it.
    async fn service(
        &self,
        outside: &keyport_core::outside::Outside,
        stop: watch::Receiver<bool>,
    ) -> Result<(String, PathBuf)> {
        let token = Token::random(&*outside.random);
        let file = self.data.join("kms-token");
        dev::secret(&file, token.expose())?;
        let address = SocketAddr::new(self.listen.ip(), 0);
        let service = key_service(address, &token, outside).await?;

        let url = format!("http://{}", service.address);
        tokio::spawn(service.serve(stop));
        Ok((url, std::path::absolute(file).context("there is no current folder")?))
    }
}

/// Whether a grant is on the connection that the key service is.
fn calls_the_service(grants: &str) -> bool {
    let Ok(table) = grants.parse::<toml::Table>() else { return false };
    let grants = table.get("provider").and_then(|provider| provider.get("grant"));

    grants.and_then(toml::Value::as_array).is_some_and(|grants| {
        grants.iter().any(|grant| grant.get("connection").and_then(toml::Value::as_str) == Some("kms"))
    })
}
