//! `keyport provider`: for those who write providers.

mod bench;
mod build;
mod component;
mod inspect;
mod new;
mod run;
mod service;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Work with provider components
#[derive(Debug, Subcommand)]
pub(super) enum Provider {
    Bench(bench::Bench),
    Build(build::Build),
    Inspect(inspect::Inspect),
    New(new::New),
    Run(run::Run),
    Service(service::Service),
    Test(test::Test),
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
            Self::New(new) => new.run(),
            Self::Run(run) => run.run(),
            Self::Service(service) => service.run(),
            Self::Test(test) => test.run(),
        }
    }
}
