//! Which running gateway a command is for.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError, Environment};

/// A running gateway, by its data folder
#[derive(Args, Debug)]
pub(super) struct RunningGateway {
    /// The gateway's configuration file, which says where its data folder is
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The gateway's data folder
    #[arg(long, default_value = "./keyport-data", value_name = "DIR")]
    data: PathBuf,
}

impl RunningGateway {
    /// Its data folder.
    pub(super) fn folder(self) -> Result<PathBuf, ConfigError> {
        match self.config {
            Some(file) => Config::data_folder(&file, &Environment::of_process()),
            None => Ok(self.data),
        }
    }
}
