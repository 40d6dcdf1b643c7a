//! `keyport pkcs11 retry-pin`: lets a PIN be tried that a token refused.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use keyport_core::name::ConnectionName;

use crate::assemble;
use crate::command::block_on;
use crate::command::print::{self, GOOD, Painted};

/// Let the next start try a PIN that the token refused, because the token's PIN was set to it since
#[derive(Args, Debug)]
pub(in crate::command) struct RetryPin {
    /// The connection's name
    connection: ConnectionName,
    /// The data folder of the gateway, which must not be running
    #[arg(long, default_value = "./keyport-data", value_name = "DIR")]
    data: PathBuf,
}

impl RetryPin {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { connection, data } = self;
        let was_refused = block_on(assemble::forget_refused_pin(&data, &connection))?;

        print::line(if was_refused {
            format!("{} the next start tries the PIN of `{connection}` once", Painted(GOOD, "done:"))
        } else {
            format!("no PIN of a connection `{connection}` is remembered as refused")
        });
        Ok(ExitCode::SUCCESS)
    }
}
