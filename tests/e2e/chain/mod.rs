//! A gateway whose keys another server has, over `remote_kms`: a second gateway, and one that lies.

mod crash;
mod example;
mod front;
mod liar;
mod lies;
mod promises;

use hyper::Method;
use serde_json::{Value, json};

use self::front::{Back, front, remote_kms};
use crate::harness::{Client, Hash, Site, Webhook, entries, eventually, token_of, verifies};
use crate::remote_kms::client::public_jwk;

#[tokio::test]
async fn webhook_signs_with_keys_that_another_gateway_has() {
    let back = Back::start().await;
    let site = front(&back, DIGESTS);
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));

    let key = webhook.create("x509-CA-A", "EC-P256").await;
    webhook.sign(&key, Hash::Sha256, b"an SVID").await;
    for (name, key_type, hash) in [("wide", "EC-P384", Hash::Sha384), ("rsa", "RSA-2048", Hash::Sha512)] {
        webhook.sign(&webhook.create(name, key_type).await, hash, b"another").await;
    }
    assert_eq!(webhook.list().await.len(), 3);
    // What JOSE has no name for is not offered.
    webhook.ask_to_sign("x509-CA-A", Hash::Sha384, b"m").await.expect(422);
    webhook.ask_to_create("large", "RSA-4096").await.expect(422);

    // There is one key for each at the back, by the front's key-id, and nobody else's.
    let ids = ids(&gateway.server.client().with_token(&token_of("acme")).with_base("/v1")).await;
    assert_eq!(back.names().await, ids);
}

#[tokio::test]
async fn a_key_that_is_given_up_in_front_is_destroyed_at_the_back() {
    let back = Back::start().await;
    let site = front(&back, DIGESTS);
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let kms = remote_kms(&gateway);

    webhook.create("released", "EC-P256").await;
    kms.create("deleted", "ES256").await;
    // A key that takes another's name releases it.
    webhook.create("released", "EC-P256").await;
    assert_eq!(back.names().await.len(), 3);
    webhook.release("released").await.expect(200);
    kms.delete("deleted").await.expect(204);

    eventually("the keys to be gone from the back", async || back.names().await.is_empty().then_some(()))
        .await;
    eventually("their material to be destroyed", async || {
        (entries(&back.site.data()).iter().filter(|entry| entry.is("destroy", "ok")).count() == 3)
            .then_some(())
    })
    .await;
    let destroyed =
        |site: &Site| entries(&site.data()).iter().filter(|entry| entry.is("destroy", "ok")).count();
    eventually("the front to record it", async || (destroyed(&site) == 3).then_some(())).await;
    assert!(matches!(kms.ask_to_sign("deleted", "ES256", b"m").await.status, 404 | 409));
}

#[tokio::test]
async fn every_algorithm_of_remote_kms_signs_through_both() {
    for settings in [MESSAGES, DIGESTS] {
        let back = Back::start().await;
        let site = front(&back, settings);
        let gateway = site.start().await;
        let kms = remote_kms(&gateway);

        for alg in ["ES256", "ES384", "ES512", "EdDSA", "RS256"] {
            assert_eq!(kms.create(alg, alg).await["kid"], alg);
            // Whatever is not the key's does not leave the front.
            kms.jws(alg, alg).await;
        }
        for alg in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
            kms.jws("RS256", alg).await;
        }
        kms.ask_to_create("k1", "ES256K").await.expect(400);
        assert_eq!(back.names().await.len(), 5);
        assert_eq!(kms.client.get("/health").await.expect(200).json(), json!({"ok": true, "keyCount": 5}));
    }
}

#[tokio::test]
async fn v1_signs_messages_digests_and_batches_through_both() {
    let back = Back::start().await;
    let site = front(&back, DIGESTS);
    let gateway = site.start().await;
    let client = gateway.server.client().with_token(&token_of("acme")).with_base("/v1");

    let made = client.post("/keys", json!({"name": "a", "type": "ec-p256"}).to_string()).await;
    let public = made.expect(201).json()["public_key"]["pem"].as_str().unwrap().to_owned();
    let message = json!({"message": "aGVsbG8=", "scheme": "ES256"});
    let digest = json!({"digest": Hash::Sha256.base64(b"hello")});
    for body in [&message, &digest] {
        let answer = client.post("/keys/a/sign", body.to_string()).await;
        assert!(verifies(&public, Hash::Sha256, b"hello", &signature(&answer.expect(200).json())), "{body}");
    }
    let items: Vec<_> =
        (0..20).map(|_| json!({"key": "a", "digest": Hash::Sha256.base64(b"hello")})).collect();
    let batch = client.post("/sign", json!({"items": items}).to_string()).await.expect(200).json();
    for result in batch["results"].as_array().unwrap() {
        assert!(verifies(&public, Hash::Sha256, b"hello", &signature(result)), "{result}");
    }
}

#[tokio::test]
async fn a_server_that_hashes_by_itself_signs_messages_and_a_digest_is_refused_before_it_is_asked() {
    let back = Back::start().await;
    let site = front(&back, MESSAGES);
    let gateway = site.start().await;
    let kms = remote_kms(&gateway);
    kms.create("a", "ES256").await;
    kms.jws("a", "ES256").await;
    let asked = back.signatures();

    let webhook: Webhook = gateway.webhook(&token_of("acme"));
    let refused = webhook.ask_to_sign("a", Hash::Sha256, b"m").await;
    assert!(refused.expect(400).text().contains("signs messages alone"), "{}", refused.text());
    let client = gateway.server.client().with_token(&token_of("acme")).with_base("/v1");
    let digest = json!({"digest": Hash::Sha256.base64(b"hello")}).to_string();
    client.post("/keys/a/sign", digest).await.expect(400);
    assert_eq!(back.signatures(), asked);
}

#[tokio::test]
async fn no_contract_takes_over_a_key() {
    let back = Back::start().await;
    let site = front(&back, MESSAGES);
    let gateway = site.start().await;
    let private = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    });

    let refused = remote_kms(&gateway).import("imp-1", &private).await;
    assert_eq!(refused.expect(405).header("allow"), Some(""));
    let client = gateway.server.client().with_token(&token_of("acme"));
    let body = json!({"private_jwk": private}).to_string();
    let refused = client.with_base("/v1").post("/keys/imp-1/import", body).await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("unsupported")), "{}", refused.text());
    // `webhook` has no such path.
    client.with_base("/webhook").post("/keys/imp-1/import", "{}").await.expect(404);
    assert!(back.names().await.is_empty());
}

#[tokio::test]
async fn the_backs_credential_may_do_three_things_and_is_known_by_its_name() {
    let back = Back::start().await;
    let site = front(&back, MESSAGES);
    let gateway = site.start().await;
    remote_kms(&gateway).create("a", "ES256").await;

    // To list is not among them: it is not told how many keys there are.
    let direct = back.kms();
    assert_eq!(direct.client.get("/health").await.expect(200).json(), json!({"ok": true, "keyCount": 0}));
    let recorded = entries(&back.site.data());
    let mut made = recorded.iter().filter(|entry| entry.is("create", "ok"));
    assert!(made.all(|entry| entry.text("caller") == "front" && entry.text("tenant") == "fronts"));
    // The challenge of the new key.
    assert_eq!(back.signatures(), 1);
}

#[tokio::test]
async fn a_back_that_is_gone_is_a_dependency_that_does_not_answer() {
    let back = Back::start().await;
    let site = front(&back, MESSAGES);
    let gateway = site.start().await;
    let kms = remote_kms(&gateway);
    kms.create("a", "ES256").await;

    back.gateway.stop().await;
    let answer = kms.ask_to_sign("a", "ES256", b"m").await;
    assert!(answer.expect(503).header("retry-after").is_some());
    kms.ask_to_create("b", "ES256").await.expect(503);
    eventually("health to tell", async || (kms.client.get("/health").await.status == 503).then_some(()))
        .await;
    let listed = kms.client.with_base("/webhook").get("/keys").await.expect(200).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn public_halves_are_the_backs_and_what_is_lost_there_is_the_operators_to_mend() {
    let back = Back::start().await;
    let site = front(&back, MESSAGES);
    let gateway = site.start().await;
    let kms = remote_kms(&gateway);

    let jwk = public_jwk(&kms.ask_to_create("a", "EdDSA").await);
    let owner = back.owner();
    let listed = owner.get("/keys").await.expect(200).json();
    assert_eq!(listed["keys"][0]["public_key"]["jwk"]["x"], jwk["x"]);
    let theirs = listed["keys"][0]["name"].as_str().unwrap().to_owned();
    owner.call(Method::DELETE, &format!("/keys/{theirs}"), "").await.expect(204);
    // What is lost is the operator's to mend: nobody is told to come back.
    let lost = kms.ask_to_sign("a", "EdDSA", b"m").await;
    assert_eq!(lost.expect(503).header("retry-after"), None);
}

/// The key-ids of the active keys that `client` may see, in order.
async fn ids(client: &Client) -> Vec<String> {
    let listed = client.get("/keys").await.expect(200).json();
    let mut ids: Vec<_> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();

    ids
}

/// The signature in an answer of `v1`.
fn signature(answer: &Value) -> Vec<u8> {
    let text = answer["signature"].as_str().unwrap_or_else(|| panic!("{answer}"));

    base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap()
}

/// What the provider is told of a server that takes digests, too, and of one that does not.
const DIGESTS: &str = "settings = { digests = \"yes\" }";
const MESSAGES: &str = "";
