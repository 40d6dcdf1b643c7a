//! `keyport serve`: the gateway, as a configuration file describes it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::print;
use crate::assemble::{self, Addresses};
use crate::config::{Config, Environment};

/// Run the gateway
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = Config::load(&self.config, &Environment::of_process())?;

        super::block_on(assemble::run(&config, &self.config, None, |Addresses { listen, admin }| {
            print::line(format_args!("ready https://{listen}\nadmin http://{admin}"));
        }))?;
        Ok(ExitCode::SUCCESS)
    }
}
