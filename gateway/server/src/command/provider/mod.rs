//! `keyport provider`: for those who write providers, and those who run other people's.

mod inspect;
mod key;
mod sign;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Work with provider components
#[derive(Debug, Subcommand)]
pub(super) enum Provider {
    Inspect(inspect::Inspect),
    #[command(subcommand)]
    Key(key::Key),
    Sign(sign::Sign),
    Verify(verify::Verify),
}

impl Provider {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Inspect(inspect) => inspect.run(),
            Self::Key(key) => key.run(),
            Self::Sign(sign) => sign.run(),
            Self::Verify(verify) => verify.run(),
        }
    }
}
