//! How a command writes its report.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::Report;
use crate::command::print;

/// Where a report goes.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Output {
    /// Write the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as JUnit XML to this file, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Output {
    /// Writes `report` as it is wanted, and says what the command exits with.
    pub(crate) fn write(&self, report: &Report) -> Result<ExitCode> {
        if self.json {
            print::line(format_args!("{:#}", report.json()));
        } else {
            report.lines().iter().for_each(print::line);
        }
        if let Some(file) = &self.junit {
            let xml = report.junit().context("the report cannot be written as XML")?;
            std::fs::write(file, xml).with_context(|| format!("cannot write {}", file.display()))?;
        }

        Ok(report.exit_code())
    }
}
