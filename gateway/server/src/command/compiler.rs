//! `keyport compiler-host`: the process that compiles what is not trusted. The gateway starts it, and nobody else.

use std::process::ExitCode;

use clap::Args;

use crate::assemble;

/// Compile a component for the gateway that started this
#[derive(Args, Debug)]
#[command(hide = true)]
pub(super) struct CompilerHost {}

impl CompilerHost {
    pub(super) fn run(self) -> ExitCode {
        assemble::serve_compiler()
    }
}
