//! The command line.

mod audit;
mod backend;
mod check;
mod compiler;
mod contract;
mod dev;
mod gateway;
mod keys;
mod master_key;
mod pkcs11;
pub(crate) mod print;
mod provider;
mod reload;
mod serve;
mod test_key;
mod token;

use std::future::Future;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::config::ConfigError;
use crate::log;

/// Runs the command that the process was started with. Exit codes: 0 done, 1 failed, 2 the command line or the
/// configuration is wrong.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();

    // A gateway's log is for its operator; to whoever gives another command it would say everything twice.
    let usual = if cli.command.serves() { "info" } else { "off" };
    let done = log::start(cli.log, cli.log_level.as_deref().unwrap_or(usual))
        .map_err(Into::into)
        .and_then(|()| cli.command.run());
    done.unwrap_or_else(|error| match error.downcast_ref::<ConfigError>() {
        Some(ConfigError::Wrong(mistakes)) => {
            print::mistakes(mistakes);
            ExitCode::from(USAGE)
        }
        Some(ConfigError::Unreadable { .. }) | None => {
            print::error(&error);
            ExitCode::FAILURE
        }
    })
}

/// What clap exits with too.
const USAGE: u8 = 2;

/// A signing gateway that WebAssembly components extend.
#[derive(Debug, Parser)]
#[command(name = "keyport", version, arg_required_else_help = true, styles = print::STYLES)]
struct Cli {
    /// How the log on standard error is written
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    log: log::Format,
    /// What is logged: error, warn, info, debug or trace; a gateway logs info
    #[arg(long, global = true, value_name = "LEVEL", value_parser = log::level)]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Backend(backend::Backend),
    Check(check::Check),
    CompilerHost(compiler::CompilerHost),
    #[command(subcommand)]
    Contract(contract::Contract),
    Dev(dev::Dev),
    Keys(keys::Keys),
    #[command(subcommand)]
    MasterKey(master_key::MasterKey),
    #[command(subcommand)]
    Pkcs11(pkcs11::Pkcs11),
    Pkcs11Host(pkcs11::Pkcs11Host),
    #[command(subcommand)]
    Provider(provider::Provider),
    Reload(reload::Reload),
    Serve(serve::Serve),
    #[command(subcommand)]
    Token(token::Token),
}

impl Command {
    /// Whether a gateway, or a part of one, runs.
    fn serves(&self) -> bool {
        matches!(self, Self::Dev(_) | Self::Pkcs11Host(_) | Self::Serve(_))
            || matches!(self, Self::Provider(provider) if provider.serves())
    }

    fn run(self) -> Result<ExitCode> {
        match self {
            Self::Audit(audit) => audit.run(),
            Self::Backend(backend) => backend.run(),
            Self::Check(check) => check.run(),
            Self::CompilerHost(host) => Ok(host.run()),
            Self::Contract(contract) => contract.run(),
            Self::Dev(dev) => dev.run(),
            Self::Keys(keys) => keys.run(),
            Self::MasterKey(master_key) => master_key.run(),
            Self::Pkcs11(pkcs11) => pkcs11.run(),
            Self::Provider(provider) => provider.run(),
            Self::Pkcs11Host(host) => Ok(host.run()),
            Self::Reload(reload) => reload.run(),
            Self::Serve(serve) => serve.run(),
            Self::Token(token) => token.run(),
        }
    }
}

/// Runs `work` on a runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system gives no threads")?
        .block_on(work)
}
