//! `keyport provider`: for those who write providers, and those who run other people's.

mod bench;
mod build;
mod component;
mod inspect;
mod key;
mod new;
mod run;
mod service;
mod sign;
mod test;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Work with provider components
#[derive(Debug, Subcommand)]
pub(super) enum Provider {
    Bench(bench::Bench),
    Build(build::Build),
    Inspect(inspect::Inspect),
    #[command(subcommand)]
    Key(key::Key),
    New(new::New),
    Run(run::Run),
    Service(service::Service),
    Sign(sign::Sign),
    Test(test::Test),
    Verify(verify::Verify),
}

impl Provider {
    /// Whether a gateway, or a part of one, runs.
    pub(super) fn serves(&self) -> bool {
        matches!(self, Self::Run(_))
    }

    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Bench(bench) => bench.run(),
            Self::Build(build) => build.run(),
            Self::Inspect(inspect) => inspect.run(),
            Self::Key(key) => key.run(),
            Self::New(new) => new.run(),
            Self::Run(run) => run.run(),
            Self::Service(service) => service.run(),
            Self::Sign(sign) => sign.run(),
            Self::Test(test) => test.run(),
            Self::Verify(verify) => verify.run(),
        }
    }
}
