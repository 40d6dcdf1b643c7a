//! What every provider and every connection promises, tried with what comes with the gateway on a stand-in for the service.

use keyport_stand_ins::aws::{ACCESS_KEY, SECRET};

use super::{Stage, keyport};
use crate::backend::says_what_is_golden;
use crate::provider::{keeps_every_promise, run};

#[tokio::test(flavor = "multi_thread")]
async fn our_provider_keeps_every_promise_and_leaves_no_key_that_stays() {
    let stage = Stage::set();
    let test = ["provider", "test", "builtin:aws-kms", "--json", "--connection", "kms"];

    keeps_every_promise(
        &run(keyport(&stage.site, (ACCESS_KEY, SECRET), &test)).await,
        // It makes every key type that there is.
        &["create-refuses-other-types", "sign-an-empty-message"],
    );
    assert_eq!(stage.service.keys().alive(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_says_who_is_there_and_what_signs() {
    let stage = Stage::set();
    let probe = ["backend", "probe", "kms", "--sign"];

    says_what_is_golden(&run(keyport(&stage.site, (ACCESS_KEY, SECRET), &probe)).await, "aws");
    assert_eq!(stage.service.keys().alive(), 0);
    stage.every_call_is_in_the_policy();
}
