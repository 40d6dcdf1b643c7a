//! The process that runs a vendor's library: it loads the module, logs in once, and serves calls until its socket closes.
//!
//! It listens on nothing, and gives up what it does not need before the library is loaded. What to load, and the PIN, come
//! over the socket.

mod confine;
mod destroy;
mod ed25519ph;
mod generate;
mod initialise;
mod locate;
mod login;
mod module;
mod objects;
mod public;
mod sessions;
mod slots;
mod token;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::stdio::dup2_stdin;

use super::ckr::Trouble;
use super::refusal::Refusal;
use super::wire::{Pkcs11Protocol, Purpose, Ready, Setup};
use crate::worker::{Started, Starting, serve};
use module::Module;
use token::Token;

/// The main function of the process that a [`Pkcs11`](super::Pkcs11) starts: its standard input is the socket.
#[must_use]
pub fn host() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    confine::follow_parent()?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // What the module may start inherits this one, and must not keep the socket open, or read from it.
    dup2_stdin(File::open("/dev/null")?)?;

    Ok(serve::<Pkcs11Protocol, Token>(socket, start)?)
}

fn start(setup: Setup, starting: &Starting<'_>) -> Result<Started<Pkcs11Protocol, Token>, Refusal> {
    confine::confine(setup.network).map_err(|error| Refusal::Confinement(error.to_string()))?;
    let module = Module::load(&setup.module, setup.initialisation.as_deref())?;

    match setup.purpose {
        Purpose::Inventory => {
            let ready = Ready::Inventory(module.inventory().map_err(away)?);
            Ok(Started { service: None, ready, in_flight: 0 })
        }
        Purpose::Serve { token, identity, pin, sessions, in_flight, read_only } => {
            let slot = slots::choose(&module, &token)?;
            slots::confirm(&slot, identity)?;
            let login = login::login(&module, &slot, (pin, read_only), starting)?;
            let ready = Ready::Token { identity: slot.identity() };
            let token = Token::new(module, &slot, login, (sessions, !read_only)).map_err(away)?;
            Ok(Started { service: Some(token), ready, in_flight })
        }
    }
}

fn away(trouble: Trouble) -> Refusal {
    Refusal::Away(trouble.failure.message)
}
