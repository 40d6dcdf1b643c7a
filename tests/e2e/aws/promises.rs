//! What every provider and every connection promises, tried with what comes with the gateway on a stand-in for the service.

use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, User};

use super::{Stage, keyport};
use crate::backend::says_what_is_golden;
use crate::provider::{keeps_every_promise, run};

#[tokio::test(flavor = "multi_thread")]
async fn our_provider_keeps_every_promise_and_leaves_no_key_that_stays() {
    let stage = Stage::set();
    // It waits for nothing that is in no doubt.
    stage.let_keys_settle();
    let test = ["provider", "test", "builtin:aws-kms", "--json", "--connection", "kms"];

    keeps_every_promise(
        &run(keyport(&stage.site, (ACCESS_KEY, SECRET), &test)).await,
        // It makes every key type that there is.
        &["create-refuses-other-types", "sign-an-empty-message"],
    );
    assert_eq!(stage.service.keys().alive(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_may_make_keys_and_not_name_them_leaves_none_though_no_index_lists_them_yet() {
    let stage = Stage::set();
    stage.let_keys_settle();
    stage.service.let_index_lag(true);
    let mut user = User::with_secret(SECRET);
    user.denied.insert("CreateAlias");
    stage.service.users().add(ACCESS_KEY, user);

    let probe = run(keyport(&stage.site, (ACCESS_KEY, SECRET), &["backend", "probe", "kms", "--sign"])).await;

    assert!(!probe.status.success(), "{}", probe.stdout);
    assert!(!stage.service.keys().all().is_empty());
    assert!(probe.stdout.contains("kms:CreateAlias"));
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
