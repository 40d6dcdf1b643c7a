//! `keyport pkcs11-host`: the process that a PKCS#11 module runs in. The gateway starts it, and nobody else.

use std::process::ExitCode;

use clap::Args;

use crate::assemble;

/// Run a PKCS#11 module for the gateway that started this
#[derive(Args, Debug)]
#[command(hide = true)]
pub(in crate::command) struct Pkcs11Host {}

impl Pkcs11Host {
    pub(in crate::command) fn run(self) -> ExitCode {
        assemble::serve_pkcs11()
    }
}
