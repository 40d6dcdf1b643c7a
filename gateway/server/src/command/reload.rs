//! `keyport reload`: a running gateway takes over its changed configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::print::{self, GOOD, Painted};
use crate::administration::{self, Reloaded, Unchanged};
use crate::config::{Config, ConfigError, Environment};

/// Have a running gateway take over its changed configuration and certificates, or say why it does not
#[derive(Args, Debug)]
pub(super) struct Reload {
    /// The gateway's configuration file, which says where its data folder is
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The gateway's data folder
    #[arg(long, default_value = "./keyport-data", value_name = "DIR")]
    data: PathBuf,
}

impl Reload {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { config, data } = self;
        let data = match config {
            Some(file) => Config::data_folder(&file, &Environment::of_process())?,
            None => data,
        };

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

fn print(Reloaded { file, changes, certificate_expires }: &Reloaded) {
    print::line(format_args!("{} {}", Painted(GOOD, "reloaded"), file.display()));
    for change in changes {
        print::line(format_args!("  {change}"));
    }
    if changes.is_empty() {
        print::line("  it says what it said before");
    }
    print::line(format_args!("  the certificate expires {certificate_expires}"));
}
