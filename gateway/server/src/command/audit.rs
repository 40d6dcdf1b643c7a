//! `keyport audit`: the audit log, looked at from outside.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::print::{self, BAD, FAINT, GOOD, Painted};
use crate::assemble::audit_log::{Report, VerifyOptions, verify};

/// Look at an audit log
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Find out whether every entry is there, in order and as it was written; a gateway may be running
    Verify {
        /// The data folder, or the audit folder in it
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// A folder that old segments were moved to; may be given several times
        #[arg(long = "archive", value_name = "DIR")]
        archives: Vec<PathBuf>,
    },
}

impl Audit {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self::Verify { folder, archives } = self;
        let options = VerifyOptions { archives, ..VerifyOptions::default() };
        let report = super::block_on(async { Ok(verify(&folder, options).await?) })?;

        print(&report);
        Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(report: &Report) {
    for problem in &report.problems {
        print::line(problem);
    }
    let described = u64::try_from(report.problems.len()).unwrap_or(u64::MAX);
    if report.problem_count > described {
        print::line(format_args!("and {} more", report.problem_count - described));
    }

    let range = match (report.first, report.last) {
        (Some(first), Some(last)) if report.segments == 1 => {
            format!("entries {first} to {last} in one segment")
        }
        (Some(first), Some(last)) => format!("entries {first} to {last} in {} segments", report.segments),
        (None, _) | (_, None) => "no entries".to_owned(),
    };
    match report.problem_count {
        0 => print::line(format_args!("{} {range}", Painted(GOOD, "sound:"))),
        1 => print::line(format_args!("{} one problem; {range}", Painted(BAD, "not sound:"))),
        many => print::line(format_args!("{} {many} problems; {range}", Painted(BAD, "not sound:"))),
    }
    if report.first.is_some_and(|first| first > 1) {
        print::line(Painted(
            FAINT,
            "earlier entries went with their retention: give --archive to check them too",
        ));
    }
    if report.head.is_none() {
        print::line(Painted(FAINT, "no database beside it: a missing last entry would not show"));
    }
    if report.is_torn {
        print::line(Painted(
            FAINT,
            "the last line has no end: a gateway is writing it, or was stopped while it did",
        ));
    }
}
