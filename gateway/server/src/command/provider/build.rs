//! `keyport provider build`: the component of a project.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::assemble::inspect::identify;
use crate::command::{block_on, print};
use crate::project::build;

/// Build the component of a project, and say what it is pinned by
#[derive(Args, Debug)]
pub(in crate::command) struct Build {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
}

impl Build {
    pub(super) fn run(self) -> Result<ExitCode> {
        let file = build(&self.folder, &print::step)?;
        let (digest, size) = block_on(identify(&file))?;

        print::line(format!("built {} ({size} bytes)", file.display()));
        print::line(digest);
        Ok(ExitCode::SUCCESS)
    }
}
