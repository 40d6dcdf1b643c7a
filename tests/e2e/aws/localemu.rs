//! The same on LocalEmu, which other people made.

use super::emulator::{ACCESS_KEY, LocalEmu, SECRET};
use super::{keyport, site};
use crate::backend::says_what_is_golden;
use crate::provider::{MESSAGES, keeps_every_promise, run};

#[tokio::test]
#[ignore = "needs LocalEmu, which takes minutes to install: make test-peers"]
async fn our_provider_keeps_every_promise_on_localemu_and_leaves_no_key_that_stays() {
    let Some(emulator) = LocalEmu::start().await else { return };
    let test = ["provider", "test", "builtin:aws-kms", "--json", "--connection", "kms"];

    // Our provider makes keys of every type, so that there is none to refuse; the emulator makes none that sign messages.
    let beyond = [&["create-refuses-other-types"], MESSAGES.as_slice()].concat();
    keeps_every_promise(&run(keyport(&site(&emulator.url), (ACCESS_KEY, SECRET), &test)).await, &beyond);
    assert_eq!(states(&emulator).await, "{'PendingDeletion'}");
}

#[tokio::test]
#[ignore = "needs LocalEmu, which takes minutes to install: make test-peers"]
async fn the_probe_says_of_localemu_what_signs_and_what_it_does_not_have() {
    let Some(emulator) = LocalEmu::start().await else { return };
    let probe = ["backend", "probe", "kms", "--sign"];

    says_what_is_golden(&run(keyport(&site(&emulator.url), (ACCESS_KEY, SECRET), &probe)).await, "localemu");
    assert_eq!(states(&emulator).await, "{'PendingDeletion'}");
}

/// The states that keys are in.
async fn states(emulator: &LocalEmu) -> String {
    let keys = "[key for page in kms.get_paginator('list_keys').paginate() for key in page['Keys']]";

    emulator
        .told(&format!(
            "print({{kms.describe_key(KeyId=key['KeyId'])['KeyMetadata']['KeyState'] for key in {keys}}})"
        ))
        .await
}
