//! A look at a PKCS#11 module, as the gateway would use it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
pub(crate) use keyport_backends::pkcs11::{
    Ability, Network, Opened, PinState, Report, SlotFound, TokenChoice, TokenReport,
};
use keyport_backends::pkcs11::{OpenError, Probe, probe};

use super::{custodians, pin};
use crate::config::Pin;

/// What is to be looked at.
#[derive(Debug)]
pub(crate) struct Look {
    /// The vendor's library.
    pub(crate) module: PathBuf,
    /// What `C_Initialize` is handed as reserved argument.
    pub(crate) initialisation: Option<String>,
    /// Whether the module may use the network.
    pub(crate) network: Network,
    /// The names of the variables that it may see, besides those that known vendors read.
    pub(crate) environment: Vec<String>,
    /// The token to log in to, if any.
    pub(crate) token: Option<TokenChoice>,
    /// Where its PIN comes from.
    pub(crate) pin: Option<Pin>,
    /// Whether keys are made, used and destroyed.
    pub(crate) test_keys: bool,
    /// How long a call may take.
    pub(crate) call_timeout: Duration,
}

impl Look {
    /// Reads the PIN, and looks.
    pub(crate) async fn take(self) -> Result<Report> {
        let connection = "probe".parse()?;
        let pin = self.pin.as_ref().map(|pin| pin::read(&connection, pin)).transpose()?;
        let looked: Result<Report, OpenError> = probe(Probe {
            module: self.module,
            initialisation: self.initialisation,
            network: self.network,
            token: self.token,
            pin,
            test_keys: self.test_keys,
            call_timeout: self.call_timeout,
            host: custodians::pkcs11_host(&self.environment),
        })
        .await;

        Ok(looked?)
    }
}
