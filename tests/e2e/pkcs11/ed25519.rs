//! What an Ed25519 key on a token signs: messages, digests as messages, and no Ed25519ph where the token has none.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::keys::accepts;
use super::stage::{Stage, api};
use crate::harness::api::pem;
use crate::harness::{Hash, entries, entry_of, signature, token_of, tool};

#[tokio::test]
async fn a_digest_is_the_message_of_a_key_that_was_made_to_take_it_so_and_stays_it() {
    if !tool("openssl").await {
        return;
    }
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let wanted = json!({ "name": "svid", "type": "ed25519", "digests": "as-message" });
    let made = api(&gateway, "acme").0.post("/keys", wanted.to_string()).await.expect(201).json();
    assert_eq!(made["digests"], "as-message");
    assert_eq!(gateway.stop().await.code(), Some(0));

    let gateway = stage.start().await;
    let (api, webhook) = (api(&gateway, "acme"), gateway.webhook(&token_of("acme")));
    assert_eq!(api.0.get("/keys").await.expect(200).json()["keys"], json!([made]));
    let hashed = BASE64_STANDARD.decode(Hash::Sha512.base64(b"an SVID")).unwrap();
    let by_digest = json!({ "digest": Hash::Sha512.base64(b"an SVID") }).to_string();
    let signed = [
        api.0.post("/keys/svid/sign", by_digest).await,
        // The contract knows no Ed25519, and need not: it hands over a digest, whatever the key.
        webhook.ask_to_sign("svid", Hash::Sha512, b"an SVID").await,
    ];
    for answer in signed {
        let signature = signature(answer.expect(200));
        assert!(accepts(pem(&made), "ed25519", &hashed, &signature).await);
        assert!(!accepts(pem(&made), "ed25519", b"an SVID", &signature).await);
    }
    webhook.ask_to_sign("svid", Hash::Sha256, b"an SVID").await.expect(400);
    gateway.stop().await;

    for operation in ["create", "sign"] {
        let all = entries(&stage.data());
        let done = all.iter().find(|entry| entry.is(operation, "ok")).unwrap();
        assert_eq!(done.0["digest_as_message"], true, "{done:?}");
    }
}

#[tokio::test]
async fn only_keys_of_this_type_that_were_made_so_take_digests() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");

    let refused = json!({ "name": "a", "type": "ec-p256", "digests": "as-message" }).to_string();
    let refused = api.0.post("/keys", refused).await.expect(400).json();
    assert!(refused["error"].as_str().unwrap().starts_with("digests: "), "{refused}");
    api.create("plain", "ed25519").await;
    let by_digest = json!({ "digest": Hash::Sha512.base64(b"m"), "scheme": "ed25519" });
    api.0.post("/keys/plain/sign", by_digest.to_string()).await.expect(400);
}

/// SoftHSM does not heed phFlag: it would answer a signature of pure Ed25519.
#[tokio::test]
async fn ed25519ph_is_refused_where_the_token_has_none_and_the_log_says_why() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");
    api.create("a", "ed25519").await;

    let refused = api.ask_to_sign_with("a", "ed25519ph", b"m").await.expect(422).json();
    let digest = json!({ "digest": Hash::Sha512.base64(b"m"), "scheme": "ed25519ph" }).to_string();
    api.0.post("/keys/a/sign", digest).await.expect(400);
    api.ask_to_sign_with("a", "ed25519", b"m").await.expect(200);
    gateway.stop().await;

    let events = entry_of(&stage.data(), refused["request_id"].as_str().unwrap());
    let details: Vec<&Value> = events.iter().map(|event| &event.0["detail"]).collect();
    let why =
        "the token does not make Ed25519ph: it does not heed phFlag, and makes signatures of pure Ed25519";
    assert!(details.contains(&&json!(why)), "{events:#?}");
}
