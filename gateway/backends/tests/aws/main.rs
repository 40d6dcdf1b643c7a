//! AWS KMS: what every backend promises, and what it promises alone, against services of our own making and, where those of other
//! people do as the real ones do, against them.

#![expect(
    clippy::indexing_slicing,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

mod account;
#[path = "../awaited/mod.rs"]
mod awaited;
#[path = "../clock/mod.rs"]
mod clock;
mod crash;
mod credentials;
#[path = "../ends/mod.rs"]
mod ends;
mod faults;
#[path = "../front/mod.rs"]
mod front;
mod keys;
mod moto;
mod network;
#[path = "../outage/mod.rs"]
mod outage;
mod probing;
mod python;
#[path = "../replica/mod.rs"]
mod replica;
mod restoring;
mod state;
#[path = "../suite/mod.rs"]
mod suite;

use keyport_stand_ins::aws::StandIn;

use account::{custodian, opened};

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_every_backend_promises() {
    let service = StandIn::start();

    suite::backend(&custodian(opened(&service))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_them_with_keys_that_can_be_replicated() {
    let service = StandIn::start();
    let aws = account::opened_with(&service, |connection| connection.multi_region = true);

    suite::backend(&custodian(aws)).await;
    assert!(service.keys().all().iter().all(|key| key.multi_region && key.id.starts_with("mrk-")));
}

#[tokio::test]
async fn another_region_has_the_keys_that_were_replicated_to_it() {
    let (service, west) = (StandIn::start(), StandIn::start_in("eu-west-1"));
    let first = custodian(account::opened_with(&service, |connection| connection.multi_region = true));
    let second =
        custodian(account::opened_with(&west, |connection| connection.region = "eu-west-1".to_owned()));

    replica::stands_in(&first, &second, || {
        for key in service.keys().all() {
            west.keys().remove(&key.id);
            west.keys().add(key.replica("eu-west-1"));
        }
    })
    .await;
}
