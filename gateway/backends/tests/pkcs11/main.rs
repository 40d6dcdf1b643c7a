//! PKCS#11 tokens: what every backend promises, and what happens on bad days.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

mod confinement;
mod ed25519ph;
mod objects;
mod opening;
mod probing;
mod process;
mod recovery;
#[path = "../suite/mod.rs"]
mod suite;
mod token;

use token::{SOFTHSM, Token};

#[tokio::test(flavor = "multi_thread")]
async fn softhsm_keeps_what_every_backend_promises() {
    let Some(token) = Token::new(SOFTHSM) else { return };

    suite::backend(&token.custodian(token.open().await)).await;
}
