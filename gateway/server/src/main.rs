//! The keyport binary: a signing gateway, and the commands around it.

use std::process::ExitCode;

fn main() -> ExitCode {
    keyport::run()
}
