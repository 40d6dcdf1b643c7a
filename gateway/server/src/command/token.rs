//! `keyport token`: bearer tokens for callers.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use keyport_core::name::CallerName;

use super::print;
use crate::outside::AwsLcRandom;
use crate::token;

/// Make bearer tokens
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Print a new token, and what to write into the configuration for it
    New {
        /// The caller it is for
        #[arg(long, value_name = "NAME")]
        name: Option<CallerName>,
    },
}

impl Token {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self::New { name } = self;
        let token = token::Token::random(&AwsLcRandom);

        print::line(token.expose());
        print::line("");
        print::line("# The token is not kept anywhere: give it to the caller now. In the configuration:");
        print::line("[[tenant.caller]]");
        if let Some(name) = name {
            print::line(format_args!("name = {}", toml::Value::from(name.as_str())));
        }
        print::line(format_args!("tokens = [\"{}\"]", token.fingerprint()));
        Ok(ExitCode::SUCCESS)
    }
}
