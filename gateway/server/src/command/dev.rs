//! `keyport dev`: the gateway on nothing but a folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::Handle;

use super::print;
use crate::assemble::Start;
use crate::config::{Config, Environment};
use crate::{assemble, dev, outside};

/// Run a gateway for development: makes everything it needs, and prints how to use it
#[derive(Args, Debug)]
pub(super) struct Dev {
    /// The folder that everything is kept in; made if it is not there
    #[arg(long, default_value = "./keyport-data", value_name = "DIR")]
    data: PathBuf,
    /// Where callers connect; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDR")]
    listen: SocketAddr,
    /// Where health and metrics are read; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8444", value_name = "ADDR")]
    admin: SocketAddr,
    /// Make new keys on a token behind this PKCS#11 library, instead of in the embedded token
    #[arg(long, value_name = "FILE", requires = "token", requires = "pin_file")]
    module: Option<PathBuf>,
    /// The token's label
    #[arg(long, value_name = "LABEL", requires = "module")]
    token: Option<String>,
    /// The file with the PIN of the token's user, of mode 0600
    #[arg(long, value_name = "FILE", requires = "module")]
    pin_file: Option<PathBuf>,
    /// Make new keys with the provider that this piece of a configuration has, beside its connections; paths in it are absolute
    #[arg(long, value_name = "FILE", conflicts_with = "module")]
    custodian: Option<PathBuf>,
}

impl Dev {
    pub(super) fn run(self) -> Result<ExitCode> {
        super::block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> Result<()> {
        // Nothing in the folder is touched while another gateway runs on it.
        let folder = assemble::DataFolder::lock(&self.data)?;
        let custodian = self.custodian()?;
        let outside = outside::outside(Handle::current());
        let file = dev::prepare(&self.data, (self.listen, self.admin), &custodian, &outside)?;
        let config = Config::load(&file, &Environment::of_process())?;

        let data = self.data;
        let start = Start { config: &config, file: &file, folder: Some(folder), rebind: &[] };
        assemble::run(start, |addresses| print::line(dev::greeting(&data, addresses))).await
    }

    fn custodian(&self) -> Result<dev::Custodian> {
        if let Some(file) = &self.custodian {
            return Ok(dev::Custodian::Written(dev::Written::read(file)?));
        }
        let (Some(module), Some(token), Some(pin_file)) = (&self.module, &self.token, &self.pin_file) else {
            return Ok(dev::Custodian::Embedded);
        };
        // The configuration's paths are relative to the folder, these to where the command is given.
        let absolute = |file| std::path::absolute(file).context("there is no current folder");

        let (module, pin_file) = (absolute(module)?, absolute(pin_file)?);
        Ok(dev::Custodian::Hsm(dev::Hsm { module, token: token.clone(), pin_file }))
    }
}
