//! `keyport contract`: for those who serve a contract, with this gateway or without it.

mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Look at servers of the contracts
#[derive(Debug, Subcommand)]
pub(super) enum Contract {
    Test(test::Test),
}

impl Contract {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Test(test) => test.run(),
        }
    }
}
