//! Quotas, per tenant and per caller: who is over one is told when to come back, and nobody else notices.

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{
    Answer, Client, Gateway, Hash, Plan, Site, Webhook, digest_of, eventually, hostile, soft, tenant,
    token_of,
};

#[tokio::test]
async fn requests_in_a_second_are_bounded_for_a_tenant_as_a_whole() {
    let gateway = start(&tenant_quota("requests-per-second = 4")).await;
    let (one, two) = (gateway.webhook(&token_of("acme")), gateway.webhook(SECOND));
    let key = one.create("a", "EC-P256").await;

    let answers = burst(&[&one, &two]).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(refused.len() >= 4, "{} of {}", refused.len(), answers.len());
    refused.into_iter().for_each(is_told_when_to_come_back);

    burst(&[&gateway.webhook(&token_of("other"))]).await.iter().for_each(|answer| {
        answer.expect(200);
    });
    eventually("a second to pass", async || {
        (one.ask_to_sign(&key.name, Hash::Sha256, b"m").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn requests_in_a_second_are_bounded_for_one_caller_alone() {
    let gateway = start(&caller_quota("requests-per-second = 4")).await;
    let (bounded, free) = (gateway.webhook(SECOND), gateway.webhook(&token_of("acme")));

    let answers = burst(&[&bounded]).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(refused.len() >= 4, "{} of {}", refused.len(), answers.len());
    refused.into_iter().for_each(is_told_when_to_come_back);
    burst(&[&free]).await.iter().for_each(|answer| {
        answer.expect(200);
    });
}

#[tokio::test]
async fn requests_at_a_time_are_bounded_for_tenants_and_callers() {
    for plan in [tenant_quota("in-flight = 1"), caller_quota("in-flight = 1")] {
        let gateway = start(&plan).await;
        let (bounded, stuck) = (gateway.webhook(SECOND), gateway.webhook(SECOND));
        stuck.create("loop", "EC-P256").await;

        // A guest that never ends holds the one place for as long as it may compute.
        let (looped, refused) = tokio::join!(
            stuck.ask_to_sign("loop", Hash::Sha256, b"m"),
            eventually("a refusal", async || {
                let answer = bounded.client.get("/keys").await;
                (answer.status != 200).then_some(answer)
            }),
        );
        assert_ne!(looped.status, 200);
        is_told_when_to_come_back(&refused);
        bounded.client.get("/keys").await.expect(200);
    }
}

#[tokio::test]
async fn one_callers_requests_at_a_time_leave_room_for_its_tenants_other_callers() {
    let gateway = start(&caller_quota("in-flight = 1")).await;
    let (bounded, free) = (gateway.webhook(SECOND), gateway.webhook(&token_of("acme")));
    bounded.create("loop", "EC-P256").await;

    let looping = bounded.ask_to_sign("loop", Hash::Sha256, b"m");
    let (looped, ()) = tokio::join!(looping, async {
        for _ in 0..20 {
            free.client.get("/keys").await.expect(200);
        }
    });
    assert_ne!(looped.status, 200);
}

#[tokio::test]
async fn a_tenant_has_no_more_keys_than_it_may() {
    let gateway = start(&tenant_quota("keys = 2")).await;
    let webhook = gateway.webhook(&token_of("acme"));
    webhook.create("a", "EC-P256").await;
    webhook.create("b", "EC-P256").await;

    is_told_when_to_come_back(&webhook.ask_to_create("c", "EC-P256").await);
    // One that is released is not destroyed yet.
    webhook.release("a").await.expect(200);
    is_told_when_to_come_back(&webhook.ask_to_create("c", "EC-P256").await);
    let other = gateway.webhook(&token_of("other"));
    for name in ["a", "b", "c"] {
        other.create(name, "EC-P256").await;
    }
}

#[tokio::test]
async fn bytes_in_a_second_are_bounded_for_tenants_and_callers() {
    for plan in [tenant_quota("bytes-per-second = 1000"), caller_quota("bytes-per-second = 1000")] {
        let gateway = start(&plan).await;
        gateway.webhook(SECOND).create("a", "EC-P256").await;
        let bounded = v1(&gateway, SECOND);

        // More than a second's worth passes once, and is paid for afterwards.
        sign(&bounded, 3000).await.expect(200);
        let refused = sign(&bounded, 500).await;
        is_told_when_to_come_back(&refused);
        assert!(seconds(&refused) >= 2, "{:?}", refused.headers);
        bounded.get("/keys/a").await.expect(200);
    }
}

/// Twelve requests of each client, at once.
async fn burst(clients: &[&Webhook]) -> Vec<Answer> {
    let mut asked = JoinSet::new();
    for webhook in clients.iter().cycle().take(12 * clients.len()) {
        let webhook = webhook.another();
        asked.spawn(async move { webhook.client.get("/keys").await });
    }
    asked.join_all().await
}

#[track_caller]
fn is_told_when_to_come_back(answer: &Answer) {
    answer.expect(429);
    assert_eq!(answer.json()["code"], "throttled");
    assert!(seconds(answer) >= 1, "{:?}", answer.headers);
}

fn seconds(answer: &Answer) -> u64 {
    answer.header("retry-after").expect("a time to come back").parse().expect("whole seconds")
}

fn v1(gateway: &Gateway, token: &str) -> Client {
    gateway.server.client().with_token(token).with_base("/v1")
}

/// Asks for a signature of a message of so many bytes.
async fn sign(client: &Client, length: usize) -> Answer {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    let message = BASE64_STANDARD.encode("m".repeat(length));
    client.post("/keys/a/sign", json!({ "message": message, "scheme": "ES256" }).to_string()).await
}

async fn start(plan: &Plan) -> Gateway {
    Site::new(plan).start().await
}

/// Two callers of `acme`, which has this quota, and another tenant without one.
fn tenant_quota(quota: &str) -> Plan {
    plan(&format!("[tenant.quota]\n{quota}\n"), "")
}

/// The same where only the second caller has it.
fn caller_quota(quota: &str) -> Plan {
    plan("", &format!("[tenant.caller.quota]\n{quota}\n"))
}

fn plan(of_tenant: &str, of_caller: &str) -> Plan {
    let second = format!(
        "[[tenant.caller]]\nname = \"second\"\ntokens = [\"sha256:{}\"]\n\n[[tenant.caller.right]]\n\
         may = [\"create\", \"list\", \"sign\"]\nkeys = [\"*\"]\n\n{of_caller}",
        digest_of(SECOND.as_bytes())
    );
    let loops = hostile("loops", &[("mode", "loop")], "limits = { cpu = \"500ms\" }");
    let route = "[[tenant.route]]\nkeys = \"loop\"\nprovider = \"loops\"\n";
    let acme = format!("{}\n{second}\n{route}\n{of_tenant}", tenant("acme", "soft"));

    Plan::of([soft("soft"), loops, acme, tenant("other", "soft"), "[contract.v1]\n".to_owned()])
}

/// The token of `acme`'s second caller.
const SECOND: &str = "the-token-of-the-second";
