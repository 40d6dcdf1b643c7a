//! `keyport provider new`: a project that builds and passes as it is made.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::command::print;
use crate::project::{Language, new};

/// Begin a provider: a folder that builds and passes as it is made
#[derive(Args, Debug)]
pub(in crate::command) struct New {
    /// The folder to make; its name is the provider's: lower-case letters, digits and hyphens
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// What it is to be written in
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,
}

impl New {
    pub(super) fn run(self) -> Result<ExitCode> {
        new(&self.folder, self.lang)?;

        let folder = self.folder.display();
        print::line(format!(
            "made {folder}, a provider of the little key service that `keyport provider service` runs"
        ));
        print::line(format!("next: cd {folder} && keyport provider test && keyport provider run"));
        Ok(ExitCode::SUCCESS)
    }
}
