//! Ed25519 keys of callers that hash before they ask.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{create, post};
use crate::testing::World;

#[tokio::test]
async fn an_ed25519_key_that_takes_digests_as_messages_signs_them_so_and_says_that_it_does() {
    let world = World::open().await;
    let taking = json!({ "name": "taking", "type": "ed25519", "digests": "as-message" });
    let created = post(&world, "keys", taking.clone()).await;
    assert_eq!((created.status, &created.json()["digests"]), (201, &json!("as-message")), "{}", created.body);
    assert_eq!(world.ask("GET", "/v1/keys", "").await.json()["keys"][0], created.json());
    assert!(create(&world, "plain", "ed25519").await.json().get("digests").is_none());
    let hashed = digest(&SHA512, b"hello");
    let point = STANDARD.decode(created.json()["public_key"]["der"].as_str().unwrap()).unwrap();

    for what in [json!({}), json!({ "scheme": "ed25519" }), json!({ "scheme": "EdDSA" })] {
        let mut body = what.clone();
        body["digest"] = json!(STANDARD.encode(hashed));
        let signed = post(&world, "keys/taking/sign", body.clone()).await;
        assert_eq!(signed.status, 200, "{what} {}", signed.body);
        let signature = STANDARD.decode(signed.text("signature")).unwrap();
        UnparsedPublicKey::new(&ED25519, &point).verify(hashed.as_ref(), &signature).unwrap();

        let refused = post(&world, "keys/plain/sign", body.clone()).await;
        assert_eq!(refused.status, 400, "{what}");
        assert!(refused.text("error").starts_with("digest: "), "{}", refused.body);
        body["signature"] = json!(signed.text("signature"));
        assert_eq!(post(&world, "keys/taking/verify", body).await.json(), json!({ "valid": true }), "{what}");
    }
    let short = json!({ "digest": STANDARD.encode(digest(&SHA256, b"hello")) });
    assert_eq!(post(&world, "keys/taking/sign", short).await.status, 400);
}

#[tokio::test]
async fn only_ed25519_keys_take_digests_as_messages() {
    let world = World::open().await;

    for key_type in ["ec-p256", "rsa-2048"] {
        let body = json!({ "name": "a", "type": key_type, "digests": "as-message" });
        let refused = post(&world, "keys", body).await;
        assert_eq!(refused.status, 400, "{key_type}");
        assert!(refused.text("error").starts_with("digests: "), "{}", refused.body);
    }
}
