//! `keyport pkcs11`: what an operator finds out about a token before it is configured.

mod host;
mod probe;
mod report;
mod retry_pin;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(super) use host::Pkcs11Host;

/// Look at PKCS#11 modules and tokens
#[derive(Debug, Subcommand)]
pub(super) enum Pkcs11 {
    Probe(probe::Probe),
    RetryPin(retry_pin::RetryPin),
}

impl Pkcs11 {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Probe(probe) => probe.run(),
            Self::RetryPin(retry) => retry.run(),
        }
    }
}
