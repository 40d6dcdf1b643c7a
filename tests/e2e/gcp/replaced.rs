//! A name that moves from one key of Cloud KMS to the next: names are never used again there, and both keys are.

use std::collections::BTreeSet;
use std::fs;

use keyport_stand_ins::gcp::StandIn;
use serde_json::{Value, json};

use super::{serve, staged};
use crate::harness::api::{Api, pem, text};
use crate::harness::{Hash, Key, Site, eventually, token_of, verifies};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_replace_both_keys_are_there_and_the_old_one_is_restored_as_itself() {
    let (site, stand_in) = staged();
    waits_before_it_destroys(&site);
    let gateway = serve(&site, &stand_in).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));
    let (webhook, v1) = (gateway.webhook(&token_of("program")), Api::of(&gateway, "program"));

    let old = webhook.create("svid", "EC-P256").await;
    let id = text(&v1.0.get("/keys/svid").await.expect(200).json(), "id").to_owned();
    let before = webhook.sign(&old, Hash::Sha256, b"before").await;
    let new = webhook.create("svid", "EC-P256").await;
    assert_eq!(names(&stand_in).len(), 2, "{:?}", names(&stand_in));
    assert_eq!(stand_in.states(), ["ENABLED", "ENABLED"]);
    is_by_one_alone(&before, b"before", (&old, &new));
    is_by_one_alone(&webhook.sign(&new, Hash::Sha256, b"after").await, b"after", (&new, &old));
    let released = v1.0.get("/keys?state=released").await.expect(200).json();
    let [row] = &released["keys"].as_array().unwrap()[..] else { panic!("{released}") };
    assert_eq!((text(row, "id"), pem(row).trim()), (&*id, &*old.public));

    // While the name is another key's, it is not restored.
    let restore = json!({ "id": id }).to_string();
    v1.0.post("/keys/svid/restore", restore.clone()).await.expect(409);
    webhook.sign(&new, Hash::Sha256, b"still").await;
    v1.release("svid").await;
    let restored = v1.0.post("/keys/svid/restore", restore).await.expect(200).json();
    assert_eq!(pem(&restored).trim(), old.public);
    is_by_one_alone(&webhook.sign(&old, Hash::Sha256, b"again").await, b"again", (&old, &new));
    assert_eq!((names(&stand_in).len(), stand_in.states()), (2, vec!["ENABLED", "ENABLED"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_and_destroyed_is_restored_as_itself_too() {
    let (site, stand_in) = staged();
    let gateway = serve(&site, &stand_in).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));
    let v1 = Api::of(&gateway, "program");
    let webhook = gateway.webhook(&token_of("program"));

    let old = webhook.create("svid", "EC-P256").await;
    let id = text(&v1.0.get("/keys/svid").await.expect(200).json(), "id").to_owned();
    let new = webhook.create("svid", "EC-P256").await;
    scheduled(&stand_in, 1).await;
    webhook.sign(&new, Hash::Sha256, b"the other stays").await;
    v1.release("svid").await;
    scheduled(&stand_in, 2).await;

    let restore: Value = json!({ "id": id });
    let restored = v1.0.post_when_there("/keys/svid/restore", &restore).await.expect(200).json();
    assert_eq!(pem(&restored).trim(), old.public);
    is_by_one_alone(&webhook.sign(&old, Hash::Sha256, b"again").await, b"again", (&old, &new));
    scheduled(&stand_in, 1).await;
}

/// A released key is not destroyed within this test.
fn waits_before_it_destroys(site: &Site) {
    let text = fs::read_to_string(site.path("keyport.toml")).unwrap();

    site.write("keyport.toml", text.replace("grace = \"0s\"", "grace = \"7d\""));
}

/// Waits until so many keys are scheduled for destruction.
async fn scheduled(stand_in: &StandIn, keys: usize) {
    eventually("a key to be destroyed", async || {
        let states = stand_in.states();
        (states.iter().filter(|state| **state == "DESTROY_SCHEDULED").count() == keys).then_some(())
    })
    .await;
}

/// What the keys in the ring are called.
fn names(stand_in: &StandIn) -> BTreeSet<String> {
    stand_in.keys.lock().unwrap().keys().cloned().collect()
}

#[track_caller]
fn is_by_one_alone(signature: &[u8], message: &[u8], (key, other): (&Key, &Key)) {
    assert!(verifies(&key.public, Hash::Sha256, message, signature), "not by the key that it should be by");
    assert!(!verifies(&other.public, Hash::Sha256, message, signature), "by the other key");
}
