//! `keyport provider`: for those who write providers.

mod inspect;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Work with provider components
#[derive(Debug, Subcommand)]
pub(super) enum Provider {
    Inspect(inspect::Inspect),
}

impl Provider {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Inspect(inspect) => inspect.run(),
        }
    }
}
