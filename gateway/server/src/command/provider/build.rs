//! `keyport provider build`: the component of a project.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::assemble::inspect::inspect;
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
        let file = build(&self.folder)?;
        let inspection = block_on(inspect(&file))?;

        print::line(format!("built {} ({} bytes)", file.display(), inspection.size));
        print::line(inspection.digest);
        Ok(ExitCode::SUCCESS)
    }
}
