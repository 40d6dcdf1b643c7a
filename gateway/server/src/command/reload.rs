//! `keyport reload`: a running gateway takes over its changed configuration.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::gateway::RunningGateway;
use super::print::{self, GOOD, Painted};
use crate::administration::{self, Reloaded, Unchanged};
use crate::config::ConfigError;

/// Have a running gateway take over its changed configuration and certificates, or say why it does not
#[derive(Args, Debug)]
pub(super) struct Reload {
    #[command(flatten)]
    gateway: RunningGateway,
}

impl Reload {
    pub(super) fn run(self) -> Result<ExitCode> {
        let data = self.gateway.folder()?;

        match super::block_on(async { Ok(administration::reload(&data).await?) })? {
            Ok(reloaded) => {
                print(&reloaded);
                Ok(ExitCode::SUCCESS)
            }
            Err(Unchanged { mistakes: Some(mistakes), .. }) => Err(ConfigError::Wrong(mistakes).into()),
            Err(Unchanged { error, mistakes: None }) => bail!("nothing is changed: {error}"),
        }
    }
}

fn print(Reloaded { file, changes, withdrawn, certificate_expires }: &Reloaded) {
    print::line(format_args!("{} {}", Painted(GOOD, "reloaded"), file.display()));
    for change in changes.iter().chain(withdrawn) {
        print::line(format_args!("  {change}"));
    }
    if changes.is_empty() {
        print::line("  it says what it said before");
    }
    print::line(format_args!("  the certificate expires {certificate_expires}"));
}
