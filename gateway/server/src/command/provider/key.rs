//! `keyport provider key`: what components are signed with.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::command::print::{self, GOOD, Painted};
use crate::component::SigningKey;
use crate::private_file;

/// Make keys that components are signed with
#[derive(Debug, Subcommand)]
pub(in crate::command) enum Key {
    /// Write a new Ed25519 private key to a file that is not there yet, and print its public half
    New {
        /// The file
        file: PathBuf,
    },
}

impl Key {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self::New { file } = self;
        let key = SigningKey::generate().context("there is no randomness for a key; try again")?;
        let pem = key.to_pem().context("the new key cannot be written down; try again")?;
        private_file::create(&file, pem.as_bytes())
            .with_context(|| format!("{}: the key cannot be written", file.display()))?;

        let signer = key.signer();
        print::line(signer);
        print::line("");
        print::line(format_args!(
            "# {} {}. Who has it signs in your name.",
            Painted(GOOD, "made"),
            file.display()
        ));
        print::line("# For the providers whose components you sign:");
        print::line(format_args!("signed-by = [\"{signer}\"]"));
        Ok(ExitCode::SUCCESS)
    }
}
