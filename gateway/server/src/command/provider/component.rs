//! The component that a command works with, and what it gets to reach.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;

use crate::assemble::stage::{Token, Trying};
use crate::config;

/// A component, and what it is tried with.
#[derive(Args, Clone, Debug)]
pub(super) struct Component {
    /// The component: a file, builtin:soft or builtin:pkcs11
    #[arg(value_parser = named, value_name = "COMPONENT")]
    component: config::Component,
    /// A setting of the component; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// The vendor's library that components over PKCS#11 get
    #[arg(long, value_name = "FILE", requires = "token")]
    module: Option<PathBuf>,
    /// The token with this label; keys are made on it, and destroyed again
    #[arg(long, value_name = "LABEL", requires = "module")]
    token: Option<String>,
    /// The file with its PIN, of mode 0600; without it, the PIN is asked for
    #[arg(long, value_name = "FILE", requires = "token")]
    pin_file: Option<PathBuf>,
}

impl Component {
    /// What it is called in reports.
    pub(super) fn name(&self) -> String {
        match &self.component {
            config::Component::Pkcs11 => "builtin:pkcs11".to_owned(),
            config::Component::Soft => "builtin:soft".to_owned(),
            config::Component::File(file) => file.display().to_string(),
        }
    }

    /// The same for a stage.
    pub(super) fn trying(self) -> Trying {
        let token = self.module.zip(self.token);

        Trying {
            component: self.component,
            settings: BTreeMap::from_iter(self.settings),
            token: token.map(|(module, label)| Token { module, label, pin_file: self.pin_file }),
        }
    }
}

fn named(text: &str) -> Result<config::Component, Infallible> {
    Ok(match text {
        "builtin:pkcs11" => config::Component::Pkcs11,
        "builtin:soft" => config::Component::Soft,
        file => config::Component::File(file.strip_prefix("file:").unwrap_or(file).into()),
    })
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;

    Ok((name.to_owned(), value.to_owned()))
}
