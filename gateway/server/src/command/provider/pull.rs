//! `keyport provider pull`: fetches a component from a registry.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::Login;
use crate::assemble::COMPONENT_SIZE;
use crate::command::block_on;
use crate::command::print::{self, GOOD, Painted};
use crate::component::{Artifact, file_beside, pull};

/// Fetch a component, and the signatures that were pushed with it, from a registry
#[derive(Args, Debug)]
pub(in crate::command) struct Pull {
    /// Which: oci://REGISTRY/REPOSITORY@sha256:DIGITS
    artifact: Artifact,
    /// The file that it is written to, which is not there yet
    file: PathBuf,
    #[command(flatten)]
    login: Login,
}

impl Pull {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { artifact, file, login } = self;
        let credentials = login.credentials()?;
        let pulled = block_on(async { Ok(pull(&artifact, credentials.as_ref(), COMPONENT_SIZE).await?) })?;

        create(&file, &pulled.component)?;
        print::line(format_args!("{} {}", Painted(GOOD, "pulled"), file.display()));
        if let Some(signatures) = pulled.signatures {
            let beside = file_beside(&file);
            create(&beside, signatures.as_bytes())?;
            print::line(format_args!("{} {}", Painted(GOOD, "pulled"), beside.display()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn create(file: &Path, bytes: &[u8]) -> Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).open(file);

    created
        .and_then(|mut created| created.write_all(bytes).and_then(|()| created.sync_all()))
        .with_context(|| format!("{} cannot be written", file.display()))
}
