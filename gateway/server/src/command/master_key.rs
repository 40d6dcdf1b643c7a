//! `keyport master-key`: the key that the embedded token's keys are sealed under.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::print::{self, GOOD, Painted};
use crate::assemble;
use crate::config::{Config, Environment};

/// Make or exchange the key that the embedded token's keys are sealed under
#[derive(Debug, Subcommand)]
pub(super) enum MasterKey {
    /// Write a new master key to a file that is not there yet
    New {
        /// The file
        file: PathBuf,
    },
    /// Put the keys of a gateway that is not running under another master key
    Rotate {
        /// The gateway's configuration, with the master key that it has now
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The new master key, made by `keyport master-key new`
        #[arg(long, value_name = "FILE")]
        new: PathBuf,
    },
}

impl MasterKey {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::New { file } => {
                assemble::MasterKey::create(&file)?;
                print::line(format_args!("{} {}", Painted(GOOD, "made"), file.display()));
                print::line(
                    "Keep a copy in a safe place: without it, no key that is sealed under it can be used again.",
                );
            }
            Self::Rotate { config, new } => {
                let config = Config::load(&config, &Environment::of_process())?;
                let keys = super::block_on(assemble::rotate(&config, &new))?;
                print::line(format_args!(
                    "{} keys now under {}: {keys}",
                    Painted(GOOD, "done:"),
                    new.display()
                ));
                print::line(
                    "Name it in [master-key] before the next start. Backups of the data still need the old one.",
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
