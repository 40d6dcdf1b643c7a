//! What contract `v1` promises, of the real binary.

mod cli;
mod explore;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Client, Gateway, Hash, Plan, Site, digest_of, entries, eventually, keyport, openssl_accepts,
    signature, token_of, tool, verifies,
};

#[tokio::test]
async fn every_key_type_signs_what_others_verify() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let client = client(&gateway, "acme");

    for (key_type, scheme, hash) in [
        ("ec-p256", "ES256", Hash::Sha256),
        ("ec-p384", "ecdsa-sha384", Hash::Sha384),
        ("rsa-2048", "RS256", Hash::Sha256),
    ] {
        let key = create(&client, key_type, key_type).await;
        let public = key["public_key"]["pem"].as_str().unwrap();
        let sign = json!({ "digest": hash.base64(b"hello"), "scheme": scheme });
        let signed = post(&client, &format!("/keys/{key_type}/sign"), &sign).await;

        let signature = signature(signed.expect(200));
        assert!(verifies(public, hash, b"hello", &signature), "{key_type}");
        if tool("openssl").await {
            assert!(openssl_accepts(public, hash, b"hello", &signature).await, "{key_type}");
        }
    }
    for (key_type, scheme) in [
        ("ec-p521", "ES512"),
        ("ed25519", "EdDSA"),
        ("ml-dsa-44", "ml-dsa"),
        ("ml-dsa-65", "ML-DSA-65"),
        ("ml-dsa-87", "ml-dsa"),
        ("rsa-2048", "PS256"),
        ("rsa-2048", "rsa-pss-sha512"),
    ] {
        if key_type != "rsa-2048" {
            create(&client, key_type, key_type).await;
        }
        let mut what = json!({ "message": "aGVsbG8=", "scheme": scheme });
        let signed = post(&client, &format!("/keys/{key_type}/sign"), &what).await.expect(200).json();
        what["signature"] = signed["signature"].clone();
        let verified = post(&client, &format!("/keys/{key_type}/verify"), &what).await.expect(200).json();
        assert_eq!(verified, json!({ "valid": true }), "{scheme}");
    }
}

#[tokio::test]
async fn keys_live_through_a_restart_and_die_when_they_are_deleted() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let before = client(&gateway, "acme");
    let kept = create(&before, "ns/with slash", "ec-p256").await;
    let gone = create(&before, "gone", "ec-p256").await;
    assert_eq!(gateway.stop().await.code(), Some(0));

    let gateway = site.start().await;
    let after = client(&gateway, "acme");
    assert_eq!(after.get("/keys/ns%2Fwith%20slash").await.expect(200).json(), kept);
    after.call(Method::DELETE, "/keys/gone", "").await.expect(204);
    eventually("the key to be destroyed", async || {
        entries(&site.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
    eventually("the key to be gone", async || (after.get("/keys/gone").await.status == 404).then_some(()))
        .await;
    let restore = json!({ "id": gone["id"] });
    let refused = after.post_when_there("/keys/gone/restore", &restore).await.expect(422).json();
    assert_eq!(refused["code"], "unsupported", "what the embedded token destroys is gone");
    gateway.stop().await;

    let verified = keyport(&[&"audit", &"verify", &site.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
}

#[tokio::test]
async fn a_batch_is_as_many_signatures_and_events_as_it_has_items() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let client = client(&gateway, "acme");
    let key = create(&client, "a", "ec-p256").await;
    let public = key["public_key"]["pem"].as_str().unwrap();

    let messages: Vec<_> = (0..100_u8).map(|number| [number]).collect();
    let items: Vec<_> = messages
        .iter()
        .map(|message| json!({ "key": "a", "digest": Hash::Sha256.base64(message) }))
        .collect();
    let answer = post(&client, "/sign", &json!({ "items": items })).await.expect(200).json();
    for (message, result) in messages.iter().zip(answer["results"].as_array().unwrap()) {
        let signed = result["signature"].as_str().unwrap_or_else(|| panic!("{result}"));
        let signature = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, signed).unwrap();
        assert!(verifies(public, Hash::Sha256, message, &signature), "{message:?}");
    }
    gateway.stop().await;

    let signed = entries(&site.data()).iter().filter(|entry| entry.is("sign", "ok")).count();
    assert_eq!(signed, 100);
}

#[tokio::test]
async fn published_keys_can_be_read_by_anybody_wherever_the_contract_is() {
    let mut plan = plan();
    plan.sections.retain(|section| !section.starts_with("[contract.v1]"));
    plan.sections.push(
        "[tenant.jwks]\nid = \"others-keys\"\nkeys = [\"x509-*\"]\nkid = \"subject-key-id\"\n\n\
         [contract.v1]\npath = \"/api/keyport\"\n"
            .to_owned(),
    );
    let site = Site::new(&plan);
    let gateway = site.start().await;
    // The section went to the last tenant of the plan.
    let other = gateway.server.client().with_token(&token_of("other")).with_base("/api/keyport");
    let key = create(&other, "x509-a", "ec-p256").await;
    create(&other, "secret-b", "ec-p256").await;

    let lattice = create(&other, "x509-c", "ml-dsa-65").await["public_key"]["jwk"].clone();

    let anybody = other.without_token();
    let set = anybody.get("/jwks/others-keys").await;
    let keys = set.expect(200).json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().any(|each| each["x"] == key["public_key"]["jwk"]["x"]), "{keys:?}");
    // 1,952 bytes in base64url.
    assert_eq!((&lattice["kty"], &lattice["alg"]), (&json!("AKP"), &json!("ML-DSA-65")));
    assert!(lattice["pub"].as_str().is_some_and(|text| text.len() == 2603), "{lattice}");
    assert!(keys.iter().any(|each| each["pub"] == lattice["pub"] && each["alg"] == "ML-DSA-65"));
    assert!(set.header("etag").is_some() && set.header("cache-control").is_some());
    for unknown in ["/jwks/other", "/jwks/acme", "/jwks/", "/jwks/others-keys/x"] {
        let status = anybody.get(unknown).await.status;
        assert!(matches!(status, 401 | 404), "{unknown}: {status}");
    }
    let described = gateway.server.client().get("/openapi.json").await.expect(200).json();
    assert!(described["paths"].get("/api/keyport/keys").is_some());
}

#[tokio::test]
async fn a_create_may_be_asked_for_again_after_a_reload() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let again = client(&gateway, "acme").with_header("idempotency-key", "once");

    let key = create(&again, "a", "ec-p256").await;
    let reloaded = keyport(&[&"reload", &"--config", &site.path("keyport.toml")]).await;
    assert_eq!(reloaded.code(), Some(0), "{reloaded:#?}");
    assert_eq!(create(&again, "a", "ec-p256").await, key);
    post(&client(&gateway, "acme"), "/keys", &json!({ "name": "a", "type": "ec-p256" })).await.expect(409);
}

#[tokio::test]
async fn another_tenants_keys_are_like_none() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let (ours, theirs) = (client(&gateway, "acme"), client(&gateway, "other"));
    let id = create(&ours, "a", "ec-p256").await["id"].clone();
    let what = json!({ "digest": Hash::Sha256.base64(b"m") });

    for name in ["a", "b"] {
        for (path, body) in [("sign", &what), ("restore", &json!({ "id": id })), ("release", &json!({}))] {
            let answer = post(&theirs, &format!("/keys/{name}/{path}"), body).await;
            assert_eq!(answer.expect(404).json()["code"], "key_not_found", "{name} {path}");
        }
        theirs.get(&format!("/keys/{name}")).await.expect(404);
        theirs.call(Method::DELETE, &format!("/keys/{name}"), "").await.expect(404);
    }
    assert_eq!(theirs.get("/keys").await.expect(200).json()["keys"], json!([]));
    ours.get("/keys/a").await.expect(200);
}

#[tokio::test]
async fn oversized_bodies_and_absurd_names_are_refused() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let client = client(&gateway, "acme");

    client.post("/sign", "x".repeat(512 * 1024)).await.expect(413);
    // So much more than is read that the answer may find nobody who listens.
    if let Ok(answer) = client.try_call(Method::POST, "/sign", "x".repeat(10 * 1024 * 1024), None).await {
        answer.expect(413);
    }
    for (name, status) in [("%2F", 404), ("%00", 400), ("%F0%9F%94%91", 404), (&"x".repeat(1000), 400)] {
        client.get(&format!("/keys/{name}")).await.expect(status);
    }
}

/// Two tenants, each with a caller who may do everything.
pub(crate) fn plan() -> Plan {
    let provider = "[[provider]]\nname = \"soft\"\ncomponent = \"builtin:soft\"\n\n[[provider.grant]]\n\
         connection = \"embedded\"\nuses = [\"generate\", \"import\", \"public-key\", \"sign\", \"destroy\"]\n";
    let tenant = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\nprovider = \"soft\"\n\n[[tenant.caller]]\nname = \"program\"\n\
             tokens = [\"sha256:{}\"]\n\n[[tenant.caller.right]]\nkeys = [\"*\"]\n\
             may = [\"create\", \"delete\", \"import\", \"list\", \"release\", \"restore\", \"sign\", \"verify\"]\n",
            digest_of(token_of(name).as_bytes())
        )
    };

    Plan::of([provider.to_owned(), tenant("acme"), tenant("other"), "[contract.v1]\n".to_owned()])
}

fn client(gateway: &Gateway, tenant: &str) -> Client {
    gateway.server.client().with_token(&token_of(tenant)).with_base("/v1")
}

async fn create(client: &Client, name: &str, key_type: &str) -> Value {
    post(client, "/keys", &json!({ "name": name, "type": key_type })).await.expect(201).json()
}

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.post(path, body.to_string()).await
}
