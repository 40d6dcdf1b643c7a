//! Keys that follow from a seed: gateways with the same seed sign alike.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Gateway, Plan, Site, digest_of, entries, eventually, token_of};

#[tokio::test]
async fn gateways_with_one_seed_sign_alike_and_one_with_another_does_not() {
    let (one, other, foreign) = (site(SEED, ""), site(SEED, ""), site(&"07".repeat(32), ""));
    let gateways = [one.start().await, other.start().await, foreign.start().await];

    let mut signed = Vec::new();
    for gateway in &gateways {
        let acme = client(gateway, "acme");
        create(&acme, "demo").await;
        signed.push(sign(&acme, "demo").await);
    }
    assert_eq!(signed[0], signed[1]);
    assert_ne!(signed[0], signed[2]);
    // By Python's `cryptography`: the key pair of HKDF-SHA512(seed, info = "acme|demo"), of the message "message".
    assert_eq!(
        signed[0],
        "r7tOCQQ90iXc+3g3y6umkIo20+9TWsjSsG17tp5ZpfFN6d5cuw0wuvnIoGUXG1xSdPO1neqpxepivDeraLbAAg=="
    );
}

#[tokio::test]
async fn tenants_have_keys_of_their_own_under_the_same_name() {
    let site = site(SEED, "");
    let gateway = site.start().await;

    let (acme, other) = (client(&gateway, "acme"), client(&gateway, "other"));
    assert_ne!(create(&acme, "demo").await["public_key"], create(&other, "demo").await["public_key"]);
    assert_ne!(sign(&acme, "demo").await, sign(&other, "demo").await);
}

#[tokio::test]
async fn keys_live_through_a_restart_and_come_back_when_they_were_destroyed() {
    let site = site(SEED, "");
    let gateway = site.start().await;
    let made = create(&client(&gateway, "acme"), "demo").await;
    let signed = sign(&client(&gateway, "acme"), "demo").await;
    gateway.stop().await;

    let gateway = site.start().await;
    let acme = client(&gateway, "acme");
    assert_eq!(sign(&acme, "demo").await, signed);
    acme.call(Method::DELETE, "/keys/demo", "").await.expect(204);
    assert_ne!(acme.post("/keys/demo/sign", MESSAGE).await.status, 200);
    eventually("the key to be destroyed", async || {
        entries(&site.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;

    let again = eventually("the name to be free", async || {
        let answer = acme.post("/keys", json!({ "name": "demo", "type": "ed25519" }).to_string()).await;
        (answer.status == 201).then(|| answer.json())
    })
    .await;
    assert_eq!(again["public_key"], made["public_key"]);
    assert_ne!(again["id"], made["id"]);
    assert_eq!(sign(&acme, "demo").await, signed);
}

#[tokio::test]
async fn a_key_is_not_replaced_by_itself() {
    let mut plan = plan("");
    plan.sections.push("[contract.remote-kms]\non-duplicate = \"replace\"\n".to_owned());
    let site = with_seed(&plan, SEED);
    let gateway = site.start().await;
    let acme = client(&gateway, "acme");
    create(&acme, "demo").await;
    let signed = sign(&acme, "demo").await;

    let replacing = acme.with_base("/remote-kms");
    let replace = json!({ "kid": "demo", "alg": "EdDSA" }).to_string();
    replacing.post("/keys", replace.clone()).await.expect(409);
    assert_eq!(sign(&acme, "demo").await, signed);
    let refused = entries(&site.data()).into_iter().find(|entry| entry.is("create", "refused")).unwrap();
    assert!(refused.text("detail").contains("`software:acme|demo` is the object of key"), "{refused:?}");

    // Until it is destroyed it can be restored, and so its name is taken.
    acme.post("/keys/demo/release", "").await.expect(204);
    replacing.post("/keys", replace).await.expect(409);
}

#[tokio::test]
async fn a_scope_takes_the_tenants_place_and_serves_one_tenant() {
    let scope = "scope = \"lab\"\n";
    let refused = site(SEED, scope).refuses().await;
    assert!(refused.said().contains("connection `dev` has a `scope`"), "{refused:#?}");

    let mut plan = plan(scope);
    plan.sections[0].push_str("tenants = [\"acme\"]\n");
    plan.sections.retain(|section| !section.contains("name = \"other\""));
    let site = with_seed(&plan, SEED);
    let gateway = site.start().await;
    let made = create(&client(&gateway, "acme"), "demo").await;
    let pem = made["public_key"]["pem"].as_str().unwrap();
    // The vector of "lab|demo".
    assert!(pem.contains("MCowBQYDK2VwAyEADolG8x69ZP3l6JgLmWJ8tcfAlD5jdXxqfDq4EFkEiGo="), "{pem}");
}

#[tokio::test]
async fn another_seed_is_never_taken_for_the_one_that_made_the_keys() {
    let site = site(SEED, "");
    let gateway = site.start().await;
    create(&client(&gateway, "acme"), "demo").await;
    gateway.stop().await;

    write_seed(&site, &"07".repeat(32));
    let refused = site.refuses().await;
    assert!(refused.said().contains("its keys were made of another seed or scope"), "{refused:#?}");
    write_seed(&site, SEED);
    sign(&client(&site.start().await, "acme"), "demo").await;
}

#[tokio::test]
async fn a_start_and_health_say_what_such_keys_are_for() {
    let site = site(SEED, "");
    let gateway = site.start().await;

    assert_eq!(gateway.logged().matches("keys come from a seed: for development only").count(), 1);
    let warned =
        "ok\nwarning derived-keys: keys of connection `dev` come from a seed: for development only\n";
    assert_eq!(gateway.ask_admin("/healthz").await, (200, warned.to_owned()));
    assert!(!gateway.logged().contains(SEED));
}

#[tokio::test]
async fn only_ed25519_is_made_and_a_seed_must_be_one() {
    let site = site(SEED, "");
    let gateway = site.start().await;
    let p256 = json!({ "name": "demo", "type": "ec-p256" }).to_string();
    let refused = client(&gateway, "acme").post("/keys", p256).await;
    assert_eq!(refused.json()["code"], "unsupported", "{}", refused.text());
    gateway.stop().await;

    write_seed(&site, "hunter2");
    let refused = site.refuses().await.said();
    assert!(refused.contains("a seed is 32 bytes") && !refused.contains("hunter2"), "{refused}");
}

/// Two tenants on derived keys. `more` are further lines of the connection.
fn plan(more: &str) -> Plan {
    let connection =
        format!("[[connection]]\nname = \"dev\"\nkind = \"derived\"\nseed = {{ file = \"seed\" }}\n{more}\n");
    let provider = "[[provider]]\nname = \"dev\"\ncomponent = \"builtin:derived\"\n".to_owned();
    let grant = "[[provider.grant]]\nconnection = \"dev\"\nuses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n";
    let tenant = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\nprovider = \"dev\"\n\n[[tenant.caller]]\nname = \"program\"\n\
             tokens = [\"sha256:{}\"]\n\n[[tenant.caller.right]]\nkeys = [\"*\"]\n\
             may = [\"create\", \"delete\", \"list\", \"release\", \"sign\"]\n",
            digest_of(token_of(name).as_bytes())
        )
    };

    let contract = "[contract.v1]\n".to_owned();
    Plan::of([provider, grant.to_owned(), tenant("acme"), tenant("other"), contract, connection])
}

fn site(seed: &str, more: &str) -> Site {
    with_seed(&plan(more), seed)
}

fn with_seed(plan: &Plan, seed: &str) -> Site {
    let site = Site::new(plan);
    write_seed(&site, seed);
    site
}

fn write_seed(site: &Site, seed: &str) {
    site.write("seed", format!("{seed}\n"));
    fs::set_permissions(site.path("seed"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn client(gateway: &Gateway, tenant: &str) -> Client {
    gateway.server.client().with_token(&token_of(tenant)).with_base("/v1")
}

async fn create(client: &Client, name: &str) -> Value {
    client.post("/keys", json!({ "name": name, "type": "ed25519" }).to_string()).await.expect(201).json()
}

/// The signature of "message", in base64.
async fn sign(client: &Client, name: &str) -> String {
    let signed = client.post(&format!("/keys/{name}/sign"), MESSAGE).await.expect(200).json();

    signed["signature"].as_str().unwrap().to_owned()
}

/// A request to sign "message".
const MESSAGE: &str = r#"{ "message": "bWVzc2FnZQ==", "scheme": "EdDSA" }"#;

/// The bytes 0 to 31.
const SEED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
