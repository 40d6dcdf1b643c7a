//! What every provider and every connection promises, tried with what comes with the gateway on a stand-in for a vault.

use super::{keyport, staged};
use crate::backend::says_what_is_golden;
use crate::provider::{MESSAGES, keeps_every_promise, run};

#[tokio::test(flavor = "multi_thread")]
async fn our_provider_keeps_every_promise_and_leaves_no_key_in_the_vault() {
    let (site, stand_in) = staged();
    let test = ["provider", "test", "builtin:azure-key-vault", "--json", "--connection", "vault"];

    let beyond = [&["describe-limits-messages"], MESSAGES.as_slice()].concat();

    keeps_every_promise(&run(keyport(&site, &stand_in, &test)).await, &beyond);
    assert!(stand_in.versions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_says_who_is_there_and_what_signs() {
    let (site, stand_in) = staged();
    let probe = ["backend", "probe", "vault", "--sign"];

    says_what_is_golden(&run(keyport(&site, &stand_in, &probe)).await, "azure");
    assert!(stand_in.versions().is_empty());
}
