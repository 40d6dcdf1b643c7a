//! The keyport binary: a signing gateway, and the commands around it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request allocates some hundred times, on one thread what another frees: this allocator is made for that. Key
/// material is not affected: aws-lc allocates and wipes its own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    keyport::run()
}
