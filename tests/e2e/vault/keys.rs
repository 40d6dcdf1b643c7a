//! What callers get of keys in transit, and what becomes of the keys there.

use serde_json::{Value, json};

use super::bao::Bao;
use crate::harness::api::tenant;
use crate::harness::{Client, Gateway, Hash, Plan, Site, entries, eventually, signature, token_of, verifies};

#[tokio::test]
async fn keys_in_transit_sign_for_every_contract_and_are_deleted_with_their_keys() {
    let Some(bao) = Bao::new().await else { return };
    let site = site(&bao, "");
    let gateway = site.start().await;

    let webhook = gateway.webhook(&token_of("acme"));
    for key_type in ["EC-P256", "EC-P384", "RSA-2048"] {
        let key = webhook.create(&format!("w-{key_type}"), key_type).await;
        webhook.sign(&key, Hash::Sha256, b"hello").await;
    }
    let api = api(&gateway);
    let key = create(&api, "ed", "ed25519").await;
    let asked = json!({ "message": "aGVsbG8=" });
    let answer = api.post("/keys/ed/sign", asked.to_string()).await;
    answer.expect(200);
    assert_eq!(signature(&answer).len(), 64);
    let names = bao.keys().await;
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&format!("keyport-{}", key["id"].as_str().unwrap())), "{names:?}");

    api.post("/keys/ed/release", "{}").await.expect(204);
    eventually("the key to be deleted", async || {
        entries(&site.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
    assert_eq!(bao.keys().await.len(), 3);
}

#[tokio::test]
async fn a_key_that_was_there_is_registered_by_its_version_and_never_deleted() {
    let Some(bao) = Bao::new().await else { return };
    bao.succeeds(&["write", "-force", "transit/keys/root-2026", "type=ecdsa-p256"]).await;
    bao.succeeds(&["write", "-force", "transit/keys/root-2026/rotate"]).await;
    let site = site(&bao, "objects = [\"root-*\"]");
    let gateway = site.start().await;
    let api = api(&gateway);

    let registered = api.post("/keys/ca/register", json!({ "object": "root-2026:1" }).to_string()).await;
    registered.expect(201);
    let asked = json!({ "digest": Hash::Sha256.base64(b"hello") }).to_string();
    let answer = api.post("/keys/ca/sign", asked).await;
    answer.expect(200);
    let key = registered.json();
    let pem = key["public_key"]["pem"].as_str().unwrap();
    assert!(verifies(pem, Hash::Sha256, b"hello", &signature(&answer)));

    api.post("/keys/ca/release", "{}").await.expect(204);
    eventually("the key to be given up", async || {
        entries(&site.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
    assert_eq!(bao.keys().await, ["root-2026"]);
}

#[tokio::test]
async fn a_server_that_is_away_is_no_reason_not_to_start_and_another_one_is_not_used_instead() {
    let (Some(bao), Some(another)) = (Bao::new().await, Bao::new().await) else { return };
    let site = site(&bao, "");
    let gateway = site.start().await;
    create(&api(&gateway), "a", "ec-p256").await;
    let asked = json!({ "digest": Hash::Sha256.base64(b"hello") }).to_string();

    bao.succeeds(&["operator", "seal"]).await;
    let refused = api(&gateway).post("/keys/a/sign", asked.clone()).await;
    refused.expect(503);
    gateway.stop().await;
    let gateway = site.start().await;
    api(&gateway).post("/keys/a/sign", asked.clone()).await.expect(503);
    gateway.stop().await;

    site.configure(&plan(&another.connection(""), ""));
    let gateway = site.start().await;
    api(&gateway).post("/keys/a/sign", asked).await.expect(503);
    let logged = gateway.logged();
    assert!(logged.contains("--rebind"), "{logged}");
}

pub(super) fn site(bao: &Bao, grant: &str) -> Site {
    Site::new(&plan(&bao.connection(""), grant))
}

/// The keys of `acme` are in transit, by this connection.
pub(super) fn plan(connection: &str, grant: &str) -> Plan {
    let provider = format!(
        "[[provider]]\nname = \"transit\"\ncomponent = \"builtin:vault-transit\"\n\n[[provider.grant]]\nconnection = \"transit\"\n\
         uses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n{grant}\n"
    );

    Plan::of(["[contract.v1]\n".to_owned(), connection.to_owned(), provider, tenant("acme", "transit")])
}

fn api(gateway: &Gateway) -> Client {
    gateway.server.client().with_token(&token_of("acme")).with_base("/v1")
}

async fn create(api: &Client, name: &str, key_type: &str) -> Value {
    let answer = api.post("/keys", json!({ "name": name, "type": key_type }).to_string()).await;

    answer.expect(201).json()
}
