//! Custodians that take longer to install or to answer than a test should: `make test-peers` runs these.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

#[path = "../localemu/mod.rs"]
mod emulator;
mod kryoptic;
mod localemu;
mod nss;
mod probe;
#[path = "../suite/mod.rs"]
mod suite;
#[expect(dead_code, reason = "the other test crate needs more of it")]
#[path = "../pkcs11/token.rs"]
mod token;
mod tpm;
