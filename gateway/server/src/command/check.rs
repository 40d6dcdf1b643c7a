//! `keyport check`: whether a configuration would start.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::print::{self, GOOD, Painted};
use crate::assemble;
use crate::config::{Config, Environment};

/// Read a configuration and what it refers to, and start nothing
#[derive(Args, Debug)]
pub(super) struct Check {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = Config::load(&self.config, &Environment::of_process())?;
        super::block_on(assemble::check(&config))?;

        print::line(format_args!("{} {}", Painted(GOOD, "ok"), self.config.display()));
        Ok(ExitCode::SUCCESS)
    }
}
