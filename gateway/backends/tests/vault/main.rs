//! The transit engine of a real OpenBao: what every backend promises, and what happens on bad days.

#![expect(
    clippy::indexing_slicing,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

mod crash;
mod failures;
mod identity;
mod keys;
mod logins;
mod peer;
mod proxy;
mod review;
mod secrets;
#[path = "../suite/mod.rs"]
mod suite;

use peer::{Bao, custodian};

#[tokio::test(flavor = "multi_thread")]
async fn openbao_keeps_what_every_backend_promises() {
    let Some(bao) = Bao::plain().await else { return };

    suite::backend(&custodian(bao.open())).await;
}
