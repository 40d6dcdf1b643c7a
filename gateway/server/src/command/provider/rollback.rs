//! `keyport provider rollback`: a running gateway goes back to the version of a provider that served before.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use keyport_core::name::ProviderName;

use crate::administration::{self, Change, Changed};
use crate::command::gateway::RunningGateway;
use crate::command::print::{self, GOOD, Painted};

/// Have a running gateway go back to the version of a provider that served before the last reload brought another
///
/// Nothing is loaded: the version before is still there, and serves from the next call on. The configuration still names
/// the other, which serves again after the next start, unless the file is changed.
#[derive(Args, Debug)]
pub(in crate::command) struct Rollback {
    /// The provider's name in the configuration
    #[arg(value_name = "NAME")]
    provider: ProviderName,
    /// Have the newer version serve again, which was rolled back, or withdrawn as it failed too often
    #[arg(long)]
    readmit: bool,
    #[command(flatten)]
    gateway: RunningGateway,
}

impl Rollback {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { provider, readmit, gateway } = self;
        let data = gateway.folder()?;
        let change = if readmit { Change::Readmit } else { Change::Rollback };
        let asked = async { Ok(administration::change(&data, &provider, change).await?) };

        match crate::command::block_on(asked)? {
            Ok(changed) => {
                print(change, &changed);
                Ok(ExitCode::SUCCESS)
            }
            Err(unchanged) => bail!("nothing is changed: {}", unchanged.error),
        }
    }
}

fn print(change: Change, Changed { provider, newer, established }: &Changed) {
    match change {
        Change::Rollback => {
            print::line(format_args!(
                "{} `{provider}` is at {established} again",
                Painted(GOOD, "rolled back")
            ));
            let other = if newer == established { "the newer settings" } else { newer };
            print::line(format_args!(
                "  the configuration still names {other}, for the next start: change it before that"
            ));
        }
        Change::Readmit => {
            print::line(format_args!("{} `{provider}` is at {newer} again", Painted(GOOD, "readmitted")));
        }
    }
}
