//! `keyport pkcs11 probe`: what is there, what works, and what the gateway would refuse and why.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::report;
use crate::assemble::probe::{Look, Network, TokenChoice};
use crate::command::{block_on, print};
use crate::config::Pin;

/// Say what a PKCS#11 module has, what works, and what the gateway would refuse and why
#[derive(Args, Debug)]
pub(in crate::command) struct Probe {
    /// The vendor's library
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// Log in to the token with this label
    #[arg(long, value_name = "LABEL", group = "chosen")]
    token: Option<String>,
    /// Log in to the token with this serial number
    #[arg(long, value_name = "SERIAL", group = "chosen")]
    serial: Option<String>,
    /// Log in to the token in this slot
    #[arg(long, value_name = "NUMBER", group = "chosen")]
    slot: Option<u64>,
    /// The file with the PIN, of mode 0600; without it, the PIN is asked for
    #[arg(long, value_name = "FILE", requires = "chosen")]
    pin_file: Option<PathBuf>,
    /// The token wants no PIN, or has a pad of its own
    #[arg(long, requires = "chosen", conflicts_with = "pin_file")]
    no_pin: bool,
    /// Make a key of each type that the token offers, sign with it, verify, and destroy it
    #[arg(long, requires = "chosen")]
    test_keys: bool,
    /// Whether the module may use the network
    #[arg(long, value_enum, default_value = "none", value_name = "WHAT")]
    network: Reach,
    /// A variable of the environment that the module may see; may be given several times
    #[arg(long = "env", value_name = "NAME")]
    environment: Vec<String>,
    /// What the library is handed when it is initialised; NSS wants configdir='sql:DIR'
    #[arg(long, value_name = "TEXT")]
    initialisation: Option<String>,
    /// How long a call may take, in seconds
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    timeout: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reach {
    /// It may
    Allowed,
    /// It may not
    None,
}

impl Probe {
    pub(super) fn run(self) -> Result<ExitCode> {
        if self.is_mute() {
            bail!(
                "nobody can be asked for the PIN, as this is no terminal: give --pin-file FILE, or --no-pin"
            );
        }
        let module = std::path::absolute(&self.module)?;
        let look = Look { module: module.clone(), ..self.look() };
        let report = block_on(look.take())?;

        let lines = report::lines(&report, &module);
        lines.iter().for_each(print::line);
        Ok(if report::is_well(&report) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Whether a PIN is needed, and nobody is there to type it.
    fn is_mute(&self) -> bool {
        let is_chosen = self.token.is_some() || self.serial.is_some() || self.slot.is_some();

        is_chosen && self.pin_file.is_none() && !self.no_pin && !stdin().is_terminal()
    }

    fn look(self) -> Look {
        let token = [
            self.token.map(TokenChoice::Label),
            self.serial.map(TokenChoice::Serial),
            self.slot.map(TokenChoice::Slot),
        ];
        let token = token.into_iter().flatten().next();
        let pin = match self.pin_file {
            Some(file) => Some(Pin::File(file)),
            None => (token.is_some() && !self.no_pin).then_some(Pin::Prompt),
        };

        Look {
            module: self.module,
            initialisation: self.initialisation,
            network: match self.network {
                Reach::Allowed => Network::Allowed,
                Reach::None => Network::None,
            },
            environment: self.environment,
            token,
            pin,
            test_keys: self.test_keys,
            call_timeout: Duration::from_secs(self.timeout),
        }
    }
}
