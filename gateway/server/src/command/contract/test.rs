//! `keyport contract test`: whether a server keeps what a contract promises.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use keyport_core::secret::Secret;

use crate::client::Target;
use crate::command::{block_on, print};
use crate::conformance::{Case, Contract, cases, run};
use crate::report::Output;

/// Try whether a server keeps what a contract promises: makes keys, uses them, and gives them up again
///
/// Any server of the contract can be tried, not only this gateway. What the contract's facts do not ask for is advice
/// and no failure; what the server does not offer is skipped. The exit code is 1 where something failed.
#[derive(Args, Debug)]
pub(in crate::command) struct Test {
    /// The contract
    #[arg(value_enum, value_name = "CONTRACT")]
    contract: Contract,
    /// The server, an https:// URL with the path that the contract is at
    #[arg(long, required_unless_present = "list")]
    url: Option<String>,
    /// Who vouches for its certificate, PEM; without it, whom this machine trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The bearer token of a caller that may make, list, sign with and give up keys
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificate of such a caller, PEM
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Try this case alone; may be given several times
    #[arg(long = "only", value_name = "CASE")]
    only: Vec<String>,
    /// Print the cases, and try none
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    output: Output,
}

impl Test {
    pub(super) fn run(self) -> Result<ExitCode> {
        let cases = chosen(cases(self.contract), &self.only)?;
        if self.list {
            let widest = cases.iter().map(|case| case.name.len()).max().unwrap_or_default();
            cases.iter().for_each(|Case { name, promise, .. }| {
                print::line(format_args!("{name:<widest$}  {promise}"));
            });
            return Ok(ExitCode::SUCCESS);
        }

        let report = block_on(run(self.contract, self.target()?, &cases))?;
        self.output.write(&report)
    }

    fn target(&self) -> Result<Target> {
        let read = |file: &PathBuf| {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok::<_, anyhow::Error>(Secret::new(text.trim().as_bytes().to_vec()))
        };

        Ok(Target {
            url: self.url.clone().context("no server is named: add --url")?,
            usual_path: self.contract.usual_path(),
            ca: self.ca.clone(),
            token: self.token_file.as_ref().map(read).transpose()?,
            identity: self.client_cert.clone().zip(self.client_key.clone()),
        })
    }
}

/// The cases that are wanted: all where none is named.
fn chosen(cases: Vec<Case>, only: &[String]) -> Result<Vec<Case>> {
    for wanted in only {
        if !cases.iter().any(|case| case.name == *wanted) {
            let closest = cases
                .iter()
                .map(|case| case.name.as_str())
                .max_by(|a, b| strsim::jaro(a, wanted).total_cmp(&strsim::jaro(b, wanted)));
            bail!(
                "there is no case `{wanted}`; did you mean `{}`? --list has all",
                closest.unwrap_or_default()
            );
        }
    }

    Ok(cases.into_iter().filter(|case| only.is_empty() || only.contains(&case.name)).collect())
}
