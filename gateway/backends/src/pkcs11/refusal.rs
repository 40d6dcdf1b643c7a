//! Why a token cannot be served, and what an operator does about it.

use std::path::PathBuf;

use keyport_core::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

use super::connection::TokenChoice;
use crate::worker::{self, Again};

/// Why a token cannot be served, and what to do.
#[derive(Clone, Debug, Deserialize, Serialize, thiserror::Error)]
pub enum Refusal {
    /// The token, or the way to it, is not there now.
    #[error("the token is away: {0}")]
    Away(String),
    /// The process could not shut itself off as configured.
    #[error(
        "the module's process cannot be shut off from the network: {0}; \
         allow user namespaces on this machine, or set network = \"allowed\""
    )]
    Confinement(String),
    /// The file is not there.
    #[error("there is no module {}; install the vendor's library, or correct the path", .0.display())]
    ModuleMissing(PathBuf),
    /// The file is no PKCS#11 library, or one that does not work here.
    #[error("{} is not a PKCS#11 library that works here: {why}", .module.display())]
    Module {
        /// The file.
        module: PathBuf,
        /// What the loader or the library said.
        why: String,
    },
    /// The library refused to be initialised.
    #[error("the library cannot be initialised: {0}")]
    Initialisation(String),
    /// The token has the configured name and is another one than before.
    #[error(
        "the token is {found}, and this connection's keys are on {bound}; put that one back, or, where this one has \
         every key, start with --rebind and the connection's name"
    )]
    OtherToken {
        /// The token that was there before.
        bound: String,
        /// The one that is there now.
        found: String,
    },
    /// The login failed, and the token does not say that it is for the PIN.
    #[error(
        "{0}; whether the token counts that as a wrong PIN is not known, so a PIN that never worked is not tried again"
    )]
    Login(String),
    /// The token did not take the PIN.
    #[error("{why}; it is not tried again, because tokens lock: correct the PIN, and restart the gateway")]
    Pin {
        /// What the token said.
        why: String,
        /// Its return value.
        code: u32,
    },
    /// The token is at its last try, or locked already; the PIN was not tried.
    #[error("{0}; the PIN was not tried")]
    PinAtRisk(String),
    /// The token wants a PIN.
    #[error("the token wants a PIN, and none is configured")]
    PinMissing,
    /// No token is the one that is configured.
    #[error("no token alone has {wanted}; the library has {}", list(.there))]
    UnknownToken {
        /// The one that is configured.
        wanted: TokenChoice,
        /// Those that are there, each described.
        there: Vec<String>,
    },
}

impl worker::Refusal for Refusal {
    fn again(&self) -> Again {
        match self {
            Self::Away(_) => Again::Always,
            // After a first success these may pass: an upgrade of the library, an appliance that restarts.
            Self::Initialisation(_)
            | Self::Login(_)
            | Self::Module { .. }
            | Self::ModuleMissing(_)
            | Self::OtherToken { .. }
            | Self::UnknownToken { .. } => Again::IfItServedBefore,
            Self::Confinement(_) | Self::Pin { .. } | Self::PinAtRisk(_) | Self::PinMissing => Again::Never,
        }
    }

    fn failure(&self) -> Failure {
        let (kind, code) = match self {
            Self::Away(_) => (FailureKind::Unavailable, 0),
            Self::Pin { code, .. } => (FailureKind::Credentials, *code),
            Self::PinAtRisk(_) | Self::PinMissing => (FailureKind::Credentials, 0),
            Self::Confinement(_)
            | Self::Initialisation(_)
            | Self::Login(_)
            | Self::Module { .. }
            | Self::ModuleMissing(_)
            | Self::OtherToken { .. }
            | Self::UnknownToken { .. } => (FailureKind::OperatorNeeded, 0),
        };

        Failure { code, ..Failure::new(kind, self.to_string()) }
    }
}

fn list(there: &[String]) -> String {
    if there.is_empty() { "none".to_owned() } else { there.join("; ") }
}
