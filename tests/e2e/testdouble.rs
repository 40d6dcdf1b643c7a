//! The test double: for the tests of those who use the gateway, and nowhere else.

use std::time::Duration;

use hyper::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Client, Gateway, Hash, Plan, Site, digest_of, eventually, signature, token_of, verifies,
};

#[tokio::test]
async fn it_is_not_loaded_unless_the_configuration_allows_testing() {
    let site = Site::new(&Plan { top: String::new(), ..plan("") });
    let refused = site.refuses().await.said();

    assert!(
        refused.contains("`builtin:testdouble` fails when it is told to, and is for tests only"),
        "{refused}"
    );
    assert!(refused.contains("write allow-testing = true at the top of the file"), "{refused}");
}

#[tokio::test]
async fn its_start_and_health_say_that_it_is_there() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;

    assert!(gateway.logged().contains("TEST DOUBLE"), "{}", gateway.logged());
    let warned = "ok\nwarning testing-allowed: test doubles may be loaded: for tests only\n";
    assert_eq!(gateway.ask_admin("/healthz").await, (200, warned.to_owned()));
}

#[tokio::test]
async fn it_signs_and_tells_what_it_was_asked_in_order() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    let client = client(&gateway);
    let a = create(&client, "a", "ec-p256").await.expect(201).json();
    let b = create(&client, "b", "rsa-2048").await.expect(201).json();

    let public = a["public_key"]["pem"].as_str().unwrap();
    let signed = sign(&client, "a").await;
    assert!(verifies(public, Hash::Sha256, b"hello", &signature(signed.expect(200))));
    let pss = json!({ "digest": Hash::Sha384.base64(b"hello"), "scheme": "PS384" }).to_string();
    client.post("/keys/b/sign", pss).await.expect(200);
    client.call(Method::DELETE, "/keys/a", "").await.expect(204);
    let seen = eventually("the key to be destroyed", async || {
        let seen = calls(&gateway, "").await;
        (seen.len() == 5 && seen[4]["outcome"] == "ok").then_some(seen)
    })
    .await;

    let facts = ["operation", "key_id", "key_type", "scheme", "outcome"];
    let told: Vec<_> = seen.iter().map(|call| facts.map(|fact| call[fact].clone())).collect();
    let (a, b) = (&a["id"], &b["id"]);
    assert_eq!(
        json!(told),
        json!([
            ["create", a, "ec-p256", null, "ok"],
            ["create", b, "rsa-2048", null, "ok"],
            ["sign", a, "ec-p256", "ecdsa(sha-256)", "ok"],
            ["sign", b, "rsa-2048", "rsa-pss(sha-384)", "ok"],
            ["destroy", a, "ec-p256", null, "ok"],
        ])
    );
    let places: Vec<_> = seen.iter().map(|call| call["seq"].as_u64().unwrap()).collect();
    assert_eq!(places, [1, 2, 3, 4, 5]);
    let times: Vec<_> = seen.iter().map(|call| call["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.iter().all(|time| time.ends_with('Z')), "{times:?}");
    assert_eq!(
        (&seen[0]["tenant"], &seen[0]["name"], &seen[0]["provider"]),
        (&json!("acme"), &json!("a"), &json!("double"))
    );
    assert_eq!(calls(&gateway, "?after=4").await, seen[4..]);
}

#[tokio::test]
async fn a_create_fails_as_it_is_told() {
    for (kind, status, code) in FAILURES {
        let site = Site::new(&plan(&format!("fail-create = \"{kind}\"")));
        let gateway = site.start().await;

        let failed = create(&client(&gateway), "a", "ec-p256").await;
        assert_eq!((failed.status, &failed.json()["code"]), (status, &json!(code)), "{kind}");
        let seen = calls(&gateway, "").await;
        assert_eq!((&seen[0]["outcome"], &seen[0]["injected"]), (&json!(kind), &json!(true)));
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_signature_fails_as_it_is_told_and_a_reload_tells_it_otherwise() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    let client = client(&gateway);
    create(&client, "a", "ec-p256").await.expect(201);

    for (kind, status, code) in FAILURES {
        // What is a refusal of a new key is a mistake of the provider's when it is to sign.
        let (status, code) = match kind {
            "unsupported" => (500, "internal"),
            _ => (status, code),
        };
        reload(&site, &gateway, &plan(&format!("fail-sign = \"{kind}\"\nretry-after = \"7s\""))).await;
        let failed = sign(&client, "a").await;
        assert_eq!((failed.status, &failed.json()["code"]), (status, &json!(code)), "{kind}");
        let later = ["throttled", "unavailable"].contains(&kind).then_some("7");
        assert_eq!(failed.header("retry-after"), later, "{kind}");
    }
    reload(&site, &gateway, &plan("")).await;
    sign(&client, "a").await.expect(200);

    let outcomes: Vec<_> =
        calls(&gateway, "?after=1").await.iter().map(|call| call["outcome"].clone()).collect();
    let mut expected: Vec<_> = FAILURES.iter().map(|(kind, _, _)| json!(kind)).collect();
    expected.push(json!("ok"));
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn failures_begin_after_some_calls_and_end_after_some() {
    let site = Site::new(&plan("fail-sign = \"unavailable\"\nfail-after = 2\nfail-times = 3"));
    let gateway = site.start().await;
    let client = client(&gateway);
    create(&client, "a", "ec-p256").await.expect(201);

    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(sign(&client, "a").await.status);
    }
    assert_eq!(statuses, [200, 200, 503, 503, 503, 200, 200]);
}

#[tokio::test]
async fn an_import_and_health_fail_as_they_are_told() {
    let site = Site::new(&plan("fail-import = \"throttled\"\nfail-health = \"operator-needed\""));
    let gateway = site.start().await;

    let import = json!({ "private_jwk": {
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    } });
    client(&gateway).post("/keys/a/import", import.to_string()).await.expect(429);
    let (status, ready) = gateway.ask_admin("/readyz").await;
    assert_eq!(status, 503, "{ready}");
    assert_eq!(calls(&gateway, "").await.len(), 1);
}

#[tokio::test]
async fn a_destruction_that_fails_is_seen_to_by_the_gateway() {
    let site = Site::new(&plan("fail-destroy = \"internal\""));
    let gateway = site.start().await;
    let client = client(&gateway);
    create(&client, "a", "ec-p256").await.expect(201);
    client.call(Method::DELETE, "/keys/a", "").await.expect(204);

    eventually("the key to be gone", async || (client.get("/keys/a").await.status == 404).then_some(()))
        .await;
    let seen = calls(&gateway, "?after=1").await;
    assert_eq!((&seen[0]["operation"], &seen[0]["outcome"]), (&json!("destroy"), &json!("internal")));
}

#[tokio::test]
async fn a_delay_is_waited_for_and_never_longer_than_a_request_may_take() {
    let delayed = "delay-sign = \"300ms\"";
    let site = Site::new(&Plan { limits: "request-timeout = \"2s\"".to_owned(), ..plan(delayed) });
    let gateway = site.start().await;
    let client = client(&gateway);
    create(&client, "a", "ec-p256").await.expect(201);

    let begun = tokio::time::Instant::now();
    sign(&client, "a").await.expect(200);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());

    let endless = Plan { limits: "request-timeout = \"2s\"".to_owned(), ..plan("delay-sign = \"1h\"") };
    reload(&site, &gateway, &endless).await;
    sign(&client, "a").await.expect(503);
}

#[tokio::test]
async fn what_it_was_asked_cannot_be_read_elsewhere_nor_changed() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    gateway.server.client().with_token(&token_of("acme")).get("/testing/calls").await.expect(404);
    for query in ["?after=", "?after=x", "?before=1"] {
        assert_eq!(gateway.ask_admin(&format!("/testing/calls{query}")).await.0, 400, "{query}");
    }
    gateway.stop().await;

    let plain = Site::new(&Plan::soft());
    let gateway = plain.start().await;
    assert_eq!(gateway.ask_admin("/testing/calls").await.0, 404);
    assert_eq!(gateway.ask_admin("/healthz").await, (200, "ok\n".to_owned()));
}

/// A gateway for tests, whose provider has these settings.
fn plan(settings: &str) -> Plan {
    let provider = format!(
        "[[provider]]\nname = \"double\"\ncomponent = \"builtin:testdouble\"\nrequired = true\n\n\
         [provider.settings]\n{settings}\n\n[[provider.grant]]\nconnection = \"embedded\"\n\
         uses = [\"generate\", \"import\", \"public-key\", \"sign\", \"destroy\"]\n"
    );
    let tenant = format!(
        "[[tenant]]\nname = \"acme\"\nprovider = \"double\"\n\n[[tenant.caller]]\nname = \"program\"\n\
         tokens = [\"sha256:{}\"]\n\n[[tenant.caller.right]]\nkeys = [\"*\"]\n\
         may = [\"create\", \"delete\", \"import\", \"list\", \"sign\"]\n",
        digest_of(token_of("acme").as_bytes())
    );

    let plan = Plan::of([provider, tenant, "[contract.v1]\n".to_owned()]);
    Plan { top: "allow-testing = true".to_owned(), ..plan }
}

async fn reload(site: &Site, gateway: &Gateway, plan: &Plan) {
    let reloaded = || gateway.logged().matches("reloaded").count();
    let before = reloaded();
    site.configure(plan);
    gateway.signal(Signal::HUP);
    eventually("the reload", async || (reloaded() > before).then_some(())).await;
}

fn client(gateway: &Gateway) -> Client {
    gateway.server.client().with_token(&token_of("acme")).with_base("/v1")
}

async fn create(client: &Client, name: &str, key_type: &str) -> Answer {
    client.post("/keys", json!({ "name": name, "type": key_type }).to_string()).await
}

async fn sign(client: &Client, name: &str) -> Answer {
    let what = json!({ "digest": Hash::Sha256.base64(b"hello"), "scheme": "ES256" }).to_string();

    client.post(&format!("/keys/{name}/sign"), what).await
}

async fn calls(gateway: &Gateway, query: &str) -> Vec<Value> {
    let (status, body) = gateway.ask_admin(&format!("/testing/calls{query}")).await;
    assert_eq!(status, 200, "{body}");

    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["dropped"], 0);
    body["calls"].as_array().unwrap().clone()
}

/// Every failure, and what contract `v1` makes of it when a key is to be made.
const FAILURES: [(&str, u16, &str); 12] = [
    ("invalid-argument", 500, "internal"),
    ("not-found", 503, "key_lost"),
    ("key-gone", 503, "key_lost"),
    ("exists", 500, "internal"),
    ("denied", 503, "misconfigured"),
    ("credentials", 503, "misconfigured"),
    ("operator-needed", 503, "misconfigured"),
    ("unsupported", 422, "unsupported"),
    ("throttled", 429, "throttled"),
    ("unavailable", 503, "unavailable"),
    ("internal", 500, "internal"),
    ("other", 500, "internal"),
];
