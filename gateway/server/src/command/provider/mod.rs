//! `keyport provider`: for those who write providers.

mod bench;
mod component;
mod inspect;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Work with provider components
#[derive(Debug, Subcommand)]
pub(super) enum Provider {
    Bench(bench::Bench),
    Inspect(inspect::Inspect),
    Test(test::Test),
}

impl Provider {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Bench(bench) => bench.run(),
            Self::Inspect(inspect) => inspect.run(),
            Self::Test(test) => test.run(),
        }
    }
}
