//! Measures what a signature costs: the gateway, a server that does nothing but sign, and an Express service, on this
//! machine and in one run.
//!
//! What counts is the CPU time of the server's process for each request, and ratios within the run: both depend little
//! on the machine. Servers are child processes on their own half of the CPUs, load comes from the other half.

mod bare_token;
mod bench;
mod certificate;
mod client;
mod contract;
mod cpus;
mod disk;
mod floor;
mod issuer;
mod key;
mod load;
mod machine;
mod measure;
mod open_loop;
mod report;
mod scenario;
mod server;
mod stand_in;
mod token;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::bare_token::BareToken;
use crate::bench::Bench;
use crate::floor::Floor;
use crate::scenario::Scenario;
use crate::stand_in::StandIn;

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::BareToken(token)) => token.run().map(|()| ExitCode::SUCCESS),
        Some(Command::Floor(floor)) => floor.serve().map(|()| ExitCode::SUCCESS),
        Some(Command::StandIn(stand_in)) => stand_in.serve().map(|()| ExitCode::SUCCESS),
        None => run(cli.options),
    }
}

/// Measures what a signature costs, and prints it as Markdown; target/bench/results.json has it too
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to measure, and how thoroughly.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// A few requests only: shows that everything works; the figures mean little
    #[arg(long, conflicts_with = "check")]
    pub(crate) quick: bool,
    /// Measure this only; may be given several times
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) only: Vec<Scenario>,
    /// Exit with 1 if a target is missed
    #[arg(long)]
    pub(crate) check: bool,
    /// The gateway [default: the `keyport` beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) keyport: Option<PathBuf>,
    /// Where data folders, logs and results go; its disk is measured [default: `bench` in the target folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    BareToken(BareToken),
    Floor(Floor),
    StandIn(StandIn),
}

fn run(options: Options) -> Result<ExitCode> {
    let check = options.check;
    let bench = Bench::new(options)?;

    let report = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(bench.cpus.clients())
        .enable_all()
        .build()
        .context("the system gives no threads")?
        .block_on(scenario::run(&bench))?;
    Ok(if check && !report.meets_targets() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
