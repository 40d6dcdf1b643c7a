//! The configuration is changed while the gateway runs: completely, or not at all.

use rustix::process::Signal;

use crate::harness::{Gateway, Hash, Plan, Site, entries, eventually, soft, tenant, token_of};

/// Waits until the gateway has logged `text` once more than `before`.
async fn logs_again(gateway: &Gateway, text: &str, before: usize) {
    let what = format!("`{text}` in the log");
    eventually(&what, async || (count(gateway, text) > before).then_some(())).await;
}

fn count(gateway: &Gateway, text: &str) -> usize {
    gateway.logged().matches(text).count()
}

async fn reload(gateway: &Gateway, outcome: &str) {
    let before = count(gateway, outcome);
    gateway.signal(Signal::HUP);
    logs_again(gateway, outcome, before).await;
}

#[tokio::test]
async fn a_new_tenant_is_served_without_an_error_for_those_before() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("steady", "EC-P256").await;

    let load = async {
        for round in 0..300_u32 {
            webhook.sign(&key, Hash::Sha256, &round.to_be_bytes()).await;
        }
    };
    let change = async {
        for round in 0..4 {
            let new = format!("new-{round}");
            site.configure(&Plan::of([
                soft("soft"),
                tenant("acme", "soft"),
                tenant("other", "soft"),
                tenant(&new, "soft"),
            ]));
            reload(&gateway, RELOADED).await;
            gateway.webhook(&token_of(&new)).list().await;
        }
    };
    tokio::join!(load, change);

    // The last change's tenant is there, the one before it is not.
    gateway.webhook(&token_of("new-3")).create("first", "EC-P256").await;
    assert_eq!(gateway.webhook(&token_of("new-2")).ask_to_create("first", "EC-P256").await.status, 401);
    let changes = entries(&site.data()).into_iter().filter(|entry| entry.is("configure", "ok")).count();
    assert_eq!(changes, 4);
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_says_why() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("steady", "EC-P256").await;

    site.configure(&Plan::of([soft("soft"), tenant("acme", "sfot")]));
    reload(&gateway, UNCHANGED).await;
    assert!(gateway.logged().contains("did you mean `soft`"), "{}", gateway.logged());

    site.configure(&Plan { audit: "sync = \"interval\"".to_owned(), ..Plan::soft() });
    reload(&gateway, UNCHANGED).await;
    assert!(gateway.logged().contains("[audit] can only be changed by a restart"), "{}", gateway.logged());

    webhook.sign(&key, Hash::Sha256, b"as before").await;
}

#[tokio::test]
async fn a_change_that_would_strand_live_keys_is_refused() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("live", "EC-P256").await;

    for (sections, why) in [
        ([soft("soft"), tenant("other", "soft")], "tenant `acme` has 1 keys of this tenant"),
        ([soft("renamed"), tenant("acme", "renamed")], "1 keys of provider `soft`"),
    ] {
        site.configure(&Plan::of(sections));
        reload(&gateway, UNCHANGED).await;
        assert!(gateway.logged().contains(why), "{}", gateway.logged());
    }

    webhook.sign(&key, Hash::Sha256, b"still alive").await;
}

const RELOADED: &str = "configuration and certificates reloaded";

const UNCHANGED: &str = "nothing is changed";
