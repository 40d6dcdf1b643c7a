//! `keyport backend`: what an operator finds out about a connection that is configured.

mod probe;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Look at the connections of a configuration
#[derive(Debug, Subcommand)]
pub(super) enum Backend {
    Probe(probe::Probe),
}

impl Backend {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Probe(probe) => probe.run(),
        }
    }
}
