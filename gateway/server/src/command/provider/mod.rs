//! `keyport provider`: for those who write providers, and those who run other people's.

mod bench;
mod build;
mod component;
mod inspect;
mod key;
mod key_service;
mod new;
mod pull;
mod push;
mod rollback;
mod run;
mod sign;
mod test;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::assemble::read_secret;
use crate::component::Credentials;

/// Who asks a registry; nobody in particular, if it is not said
#[derive(Args, Debug)]
pub(super) struct Login {
    /// The user
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// A file of mode 0600 with the user's password or token
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

impl Login {
    fn credentials(self) -> Result<Option<Credentials>> {
        let Self { user: Some(user), password_file: Some(file) } = self else { return Ok(None) };
        let text = read_secret(&file, "the password", LONGEST_PASSWORD)?;

        Ok(Some(Credentials { user, password: Zeroizing::new(text.trim_ascii().to_owned()) }))
    }
}

/// Work with provider components
#[derive(Debug, Subcommand)]
pub(super) enum Provider {
    Bench(bench::Bench),
    Build(build::Build),
    Inspect(inspect::Inspect),
    #[command(subcommand)]
    Key(key::Key),
    New(new::New),
    Pull(pull::Pull),
    Push(push::Push),
    Rollback(rollback::Rollback),
    Run(run::Run),
    Service(key_service::Service),
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
            Self::Pull(pull) => pull.run(),
            Self::Push(push) => push.run(),
            Self::Rollback(rollback) => rollback.run(),
            Self::Run(run) => run.run(),
            Self::Service(service) => service.run(),
            Self::Sign(sign) => sign.run(),
            Self::Test(test) => test.run(),
            Self::Verify(verify) => verify.run(),
        }
    }
}

/// Bytes that are read of a password's file; tokens of registries have some thousands.
const LONGEST_PASSWORD: usize = 16 << 10;
