//! The process that runs a module, for the tests: what `keyport pkcs11-host` is to the gateway.

use std::process::ExitCode;

fn main() -> ExitCode {
    keyport_backends::pkcs11::host()
}
