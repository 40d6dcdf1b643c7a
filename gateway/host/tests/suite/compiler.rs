//! The process that compiles, for the tests: what `keyport compiler-host` is to the gateway.

use std::process::ExitCode;

fn main() -> ExitCode {
    keyport_host::compiler_host()
}
