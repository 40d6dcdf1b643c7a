//! What every provider and every connection promises, tried with what comes with the gateway on a stand-in for the service.

use super::{keyport, staged};
use crate::backend::says_what_is_golden;
use crate::provider::{keeps_every_promise, run};

#[tokio::test(flavor = "multi_thread")]
async fn our_provider_keeps_every_promise_and_leaves_no_key_that_stays() {
    let (site, stand_in) = staged();
    let test = ["provider", "test", "builtin:gcp-kms", "--json", "--connection", "kms"];

    keeps_every_promise(&run(keyport(&site, &stand_in, &test)).await, &["sign-an-empty-message"]);
    assert!(stand_in.states().iter().all(|state| *state == "DESTROY_SCHEDULED"), "{:?}", stand_in.states());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_says_who_is_there_and_what_signs() {
    let (site, stand_in) = staged();
    let probe = ["backend", "probe", "kms", "--sign"];

    says_what_is_golden(&run(keyport(&site, &stand_in, &probe)).await, "gcp");
    assert!(stand_in.states().iter().all(|state| *state == "DESTROY_SCHEDULED"), "{:?}", stand_in.states());
}
