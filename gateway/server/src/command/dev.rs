//! `keyport dev`: the gateway on nothing but a folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use tokio::runtime::Handle;

use super::print;
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
}

impl Dev {
    pub(super) fn run(self) -> Result<ExitCode> {
        super::block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> Result<()> {
        let file = dev::prepare(&self.data, (self.listen, self.admin), &outside::outside(Handle::current()))?;
        let config = Config::load(&file, &Environment::of_process())?;

        let data = self.data;
        assemble::run(&config, &file, |addresses| print::line(dev::greeting(&data, addresses))).await
    }
}
