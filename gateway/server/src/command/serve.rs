//! `keyport serve`: the gateway, as a configuration file describes it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use keyport_core::name::ConnectionName;

use super::print;
use crate::assemble::{self, Addresses, Start};
use crate::config::{Config, Environment};

/// Run the gateway
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Let a connection have another custodian than before, if that one has every key; may be given several times
    #[arg(long, value_name = "CONNECTION")]
    rebind: Vec<ConnectionName>,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = Config::load(&self.config, &Environment::of_process())?;

        let start = Start { config: &config, file: &self.config, folder: None, rebind: &self.rebind };
        super::block_on(assemble::run(start, |Addresses { listen, admin }| {
            print::line(format_args!("ready https://{listen}\nadmin http://{admin}"));
        }))?;
        Ok(ExitCode::SUCCESS)
    }
}
