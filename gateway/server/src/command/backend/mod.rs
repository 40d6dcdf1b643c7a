//! `keyport backend`: what an operator finds out about a connection that is configured, and about the keys there.

mod probe;
mod state;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Look at the connections of a configuration, and at the keys there
#[derive(Debug, Subcommand)]
pub(super) enum Backend {
    Probe(probe::Probe),
    State(state::State),
}

impl Backend {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Probe(probe) => probe.run(),
            Self::State(state) => state.run(),
        }
    }
}
