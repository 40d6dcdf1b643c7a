//! What contract `webhook` promises, written once: any gateway that serves it, on whatever custodian, is run through
//! this.

mod absurd;
mod keys;
mod requests;
mod signatures;
mod tenants;

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;

use crate::harness::{
    Answer, Client, Key, Plan, Protocol, Site, Webhook, entries, eventually, keyport, token_of,
};

/// A gateway to be tried, with two of its tenants, of whom neither has a key yet.
pub(crate) struct Subject {
    /// A caller that may do everything.
    pub(crate) ours: Webhook,
    /// A caller of another tenant that may do everything.
    pub(crate) theirs: Webhook,
}

/// What every gateway promises whose `on-duplicate` is `replace`.
pub(crate) async fn webhook(subject: &Subject) {
    keys::a_new_key_is_answered_and_listed_alike(subject).await;
    keys::key_types_are_read_in_any_spelling(subject).await;
    keys::names_seen_in_the_wild_go_there_and_back(subject).await;
    keys::creating_a_name_again_replaces_its_key(subject).await;
    keys::a_released_key_is_listed_no_more_and_signs_no_more(subject).await;
    keys::a_released_name_can_be_used_again(subject).await;
    keys::an_unknown_key_is_not_found(subject).await;
    signatures::every_key_type_signs_every_hash(subject).await;
    signatures::openssl_accepts_every_kind_of_signature(subject).await;
    signatures::a_digest_is_read_in_any_base64(subject).await;
    signatures::many_at_once_are_all_right(subject).await;
    tenants::another_tenants_keys_are_like_none(subject).await;
    tenants::two_tenants_may_use_one_name(subject).await;
    requests::nobody_is_served_without_a_known_token(subject).await;
    requests::unknown_key_types_and_hashes_are_told_what_is_offered(subject).await;
    requests::a_digest_of_the_wrong_length_is_refused(subject).await;
    requests::what_is_not_base64_is_refused(subject).await;
    requests::a_body_must_be_a_json_object_with_the_right_fields(subject).await;
    requests::unknown_fields_are_passed_over(subject).await;
    requests::an_oversized_body_is_refused_and_a_full_one_is_not(subject).await;
    requests::unknown_paths_and_wrong_methods_are_told_apart(subject).await;
    requests::the_request_id_is_echoed_where_it_is_sane(subject).await;
    absurd::absurd_names_are_refused_or_not_found(subject).await;
    absurd::nothing_absurd_was_taken_for_a_key(subject).await;
}

#[tokio::test]
async fn the_embedded_token_keeps_the_promises_of_webhook() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let (ours, theirs) = (gateway.webhook(&token_of("acme")), gateway.webhook(&token_of("other")));

    let subject = Subject { ours, theirs };
    webhook(&subject).await;
    let before = facts(&subject.ours.list().await);
    assert_eq!(gateway.stop().await.code(), Some(0));

    let gateway = site.start().await;
    let after = gateway.webhook(&token_of("acme"));
    assert_eq!(facts(&after.list().await), before, "a restart changes nothing");
    for key in after.list().await {
        after.sign(&key, crate::harness::Hash::Sha256, b"after a restart").await;
    }
    gateway.stop().await;

    let verified = keyport(&[&"audit", &"verify", &site.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    every_signature_is_on_record_with_its_component(&site);
    every_kind_of_refusal_is_on_record(&site);
}

#[tokio::test]
async fn http_2_keeps_the_promises_too() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let over_http_2 = |tenant| Webhook::new(gateway.webhook(&token_of(tenant)).client.over(Protocol::Http2));
    let subject = Subject { ours: over_http_2("acme"), theirs: over_http_2("other") };

    keys::a_new_key_is_answered_and_listed_alike(&subject).await;
    keys::a_released_key_is_listed_no_more_and_signs_no_more(&subject).await;
    signatures::many_at_once_are_all_right(&subject).await;
    tenants::another_tenants_keys_are_like_none(&subject).await;
    requests::nobody_is_served_without_a_known_token(&subject).await;
    requests::an_oversized_body_is_refused_and_a_full_one_is_not(&subject).await;
}

#[tokio::test]
async fn return_answers_with_the_key_that_is_there() {
    let site = Site::new(&Plan { webhook: "on-duplicate = \"return\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));

    let key = webhook.create("a", "EC-P256").await;
    assert_eq!(webhook.create("a", "EC-P256").await, key);
    webhook.ask_to_create("a", "EC-P384").await.expect(409);

    webhook.release("a").await.expect(200);
    assert_ne!(
        webhook.create("a", "EC-P256").await.fingerprint,
        key.fingerprint,
        "a released key is never returned"
    );
}

#[tokio::test]
async fn conflict_refuses_a_name_that_is_taken() {
    let site = Site::new(&Plan { webhook: "on-duplicate = \"conflict\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));

    let key = webhook.create("a", "EC-P256").await;
    let answer = webhook.ask_to_create("a", "EC-P256").await;
    assert_eq!(answer.expect(409).json()["code"], "key_exists");
    assert_eq!(webhook.listed("a").await, Some(key));
}

#[tokio::test]
async fn a_create_that_outlives_its_caller_is_answered_to_the_next_one_that_asks() {
    let site = Site::new(&Plan { limits: "request-timeout = \"40ms\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));

    // Nobody finds two primes of 2,048 bits in that time, but for a lucky few.
    let mut waited = 0;
    let created = eventually("the key", async || {
        let answer = webhook.ask_to_create("slow", "RSA-4096").await;
        waited += u32::from(answer.status == 503);
        (answer.status == 201).then_some(answer)
    })
    .await;
    assert_eq!(webhook.listed("slow").await.unwrap().fingerprint, created.json()["fingerprint"]);

    gateway.stop().await;
    let made = entries(&site.data()).iter().filter(|entry| entry.is("create", "ok")).count();
    assert_eq!(made, 1, "after {waited} answers that it was not there yet");
}

#[tokio::test]
async fn refusals_without_end_do_not_fill_the_log() {
    let mut plan = Plan::soft();
    plan.sections.push("[limits]\nrefusals-per-minute = 5".to_owned());
    let site = Site::new(&plan);
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    for _ in 0..100 {
        webhook.release("nobody").await.expect(404);
    }
    for _ in 0..3 {
        webhook.client.without_token().get("/keys").await.expect(401);
    }
    gateway.stop().await;

    let entries = entries(&site.data());
    let refused: Vec<_> = entries.iter().filter(|entry| entry.text("outcome") == "refused").collect();
    assert!(refused.len() < 10, "{refused:?}");
    for count in ["95 ", "3 "] {
        assert!(refused.iter().any(|entry| entry.text("detail").contains(count)), "no {count}: {refused:?}");
    }
}

#[tokio::test]
async fn the_contract_may_be_at_any_path() {
    let site = Site::new(&Plan { webhook: "path = \"/a/key-manager\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let client = gateway.server.client().with_token(&token_of("acme"));

    let webhook = Webhook::new(client.with_base("/a/key-manager"));
    webhook.create("a", "EC-P256").await;
    client.get("/webhook/keys").await.expect(404);
    client.get("/a/key-managers/keys").await.expect(404);
}

#[tokio::test]
async fn a_caller_does_no_more_than_its_rights_say() {
    let mut plan = Plan::soft();
    let token = crate::harness::digest_of(b"limited");
    plan.sections.push(format!(
        "[[tenant.caller]]\nname = \"limited\"\ntokens = [\"sha256:{token}\"]\n\n[[tenant.caller.right]]\n\
         may = [\"create\", \"list\", \"sign\"]\nkeys = [\"own-*\"]\nkey-types = [\"ec-p256\"]\n"
    ));
    let site = Site::new(&plan);
    let gateway = site.start().await;
    // The section went to the last tenant of the plan.
    let (limited, all) = (gateway.webhook("limited"), gateway.webhook(&token_of("other")));

    all.create("another", "EC-P256").await;
    let own = limited.create("own-1", "EC-P256").await;
    limited.sign(&own, crate::harness::Hash::Sha256, b"allowed").await;

    assert_eq!(limited.list().await, [own]);
    assert_eq!(all.list().await.len(), 2);
    limited.ask_to_create("another-one", "EC-P256").await.expect(403);
    limited.ask_to_create("own-2", "EC-P384").await.expect(403);
    limited.ask_to_create("own-1", "EC-P256").await.expect(403);
    limited.ask_to_sign("another", crate::harness::Hash::Sha256, b"m").await.expect(403);
    limited.release("own-1").await.expect(403);
}

/// Names and fingerprints.
fn facts(keys: &[Key]) -> BTreeMap<String, String> {
    keys.iter().map(|key| (key.name.clone(), key.fingerprint.clone())).collect()
}

fn every_signature_is_on_record_with_its_component(site: &Site) {
    let signed: Vec<_> = entries(&site.data()).into_iter().filter(|entry| entry.is("sign", "ok")).collect();

    assert!(!signed.is_empty());
    for entry in signed {
        for field in
            ["time", "request_id", "tenant", "caller", "contract", "key", "fingerprint", "provider", "prev"]
        {
            assert!(!entry.text(field).is_empty(), "no {field}: {}", entry.0);
        }
        assert!(entry.text("component").starts_with("sha256:"), "{}", entry.0);
    }
}

fn every_kind_of_refusal_is_on_record(site: &Site) {
    let refusals: BTreeSet<_> = entries(&site.data())
        .into_iter()
        .filter(|entry| entry.text("outcome") == "refused")
        .map(|entry| (entry.text("operation").to_owned(), entry.text("reason").to_owned()))
        .collect();

    for (operation, reason) in [
        ("create", "invalid_request"),
        ("sign", "invalid_request"),
        ("sign", "key_not_found"),
        ("sign", "key_released"),
        ("release", "key_not_found"),
        ("request", "invalid_request"),
        // Not one by one: nobody may fill the disk without so much as a token.
        ("request", "no_credential"),
        ("request", "unknown_token"),
    ] {
        assert!(
            refusals.contains(&(operation.to_owned(), reason.to_owned())),
            "no {operation} {reason}: {refusals:?}"
        );
    }
}

/// A request with a request id that is the same every time, so that two answers can be compared.
async fn named(client: &Client, method: Method, path: &str, body: &str) -> Answer {
    client.try_call(method, path, body.to_owned(), Some("the-same")).await.expect("an answer")
}
