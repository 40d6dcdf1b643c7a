//! What keys on a token do on good days: they are made, sign, are replaced and destroyed.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use tokio::process::Command;

use super::stage::{Stage, Way, api, usual};
use super::token::{Half, Token};
use crate::harness::api::{Api, is_by, pem, text};
use crate::harness::{
    Hash, entries, entry_of, eventually, keyport, openssl_accepts, run, signature, token_of, tool, verifies,
};

#[tokio::test]
async fn a_webhooks_signature_verifies_and_intent_and_outcome_are_on_record() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let webhook = gateway.webhook(&token_of("acme"));

    let key = webhook.create("svid", "EC-P256").await;
    let answer = webhook.try_sign("svid", b"an SVID", "the-one").await.unwrap();
    let signed = signature(answer.expect(200));
    assert!(verifies(&key.public, Hash::Sha256, b"an SVID", &signed));
    if tool("openssl").await {
        assert!(openssl_accepts(&key.public, Hash::Sha256, b"an SVID", &signed).await);
    }
    gateway.stop().await;

    let events = entry_of(&stage.data(), "the-one");
    let [intent, outcome] = events.as_slice() else { panic!("not an intent and an outcome: {events:#?}") };
    assert!(intent.is("sign", "intent") && outcome.is("sign", "ok"), "{events:#?}");
    for event in &events {
        assert_eq!(
            (event.text("tenant"), event.text("key"), event.text("provider")),
            ("acme", "svid", "hsm")
        );
    }
    let verified = keyport(&[&"audit", &"verify", &stage.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
}

#[tokio::test]
async fn every_key_type_of_the_token_signs_in_every_scheme_what_openssl_accepts() {
    if !tool("openssl").await {
        return;
    }
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");

    for (key_type, schemes) in KEY_TYPES {
        let key = create_patiently(&api, key_type).await;
        assert_eq!(key["type"], *key_type);
        for scheme in *schemes {
            let answer = api.ask_to_sign_with(key_type, scheme, b"a message").await;
            let signed = signature(answer.expect(200));
            assert!(accepts(pem(&key), scheme, b"a message", &signed).await, "{key_type} {scheme}");
            assert!(!accepts(pem(&key), scheme, b"another", &signed).await, "{key_type} {scheme}");
        }
    }
}

#[tokio::test]
async fn a_type_that_the_token_lacks_is_refused_before_it_is_asked() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");

    api.ask_to_create("b", "ml-dsa-65").await.expect(422);
}

#[tokio::test]
async fn after_a_replacement_both_generations_are_there_and_each_signs_as_itself() {
    let Some(token) = Token::new().await else { return };
    let sections = usual().into_iter().map(|section| section.replace("grace = \"0s\"", "grace = \"1h\""));
    let Some(stage) = Stage::set(token, &Way::straight(), sections.collect()) else { return };
    let gateway = stage.start().await;
    let (webhook, api) = (gateway.webhook(&token_of("acme")), api(&gateway, "acme"));

    let first = webhook.create("svid", "EC-P256").await;
    let old = get(&api, "svid").await;
    let second = webhook.create("svid", "EC-P256").await;
    let new = get(&api, "svid").await;
    assert!(old["id"] != new["id"] && first.public != second.public);
    assert_eq!(stage.token.ids(Half::Private).await, ids(&[&old, &new]));

    webhook.sign(&second, Hash::Sha256, b"by the second").await;
    api.release("svid").await;
    let body = json!({ "id": old["id"] }).to_string();
    api.0.post("/keys/svid/restore", body).await.expect(200);
    webhook.sign(&first, Hash::Sha256, b"by the first").await;
    let signed = api.ask_to_sign("svid").await;
    assert!(is_by(&old, signed.expect(200)) && !is_by(&new, &signed));
    assert_eq!(stage.token.ids(Half::Private).await, ids(&[&old, &new]));
}

#[tokio::test]
async fn a_released_key_is_gone_from_the_token_after_its_grace_and_no_other_is() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");
    let (kept, given_up) = (api.create("kept", "ec-p256").await, api.create("given-up", "rsa-2048").await);
    for half in Half::BOTH {
        assert_eq!(stage.token.ids(half).await, ids(&[&kept, &given_up]), "{half:?}");
    }

    api.release("given-up").await;
    eventually("the key to be destroyed", async || {
        entries(&stage.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
    for half in Half::BOTH {
        assert_eq!(stage.token.ids(half).await, ids(&[&kept]), "{half:?}");
    }
    api.ask_to_sign("given-up").await.expect(404);
    api.sign(&kept).await;
}

#[tokio::test]
async fn keys_outlive_the_gateway_and_are_found_again_by_their_id_alone() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let key = api(&gateway, "acme").create("kept", "ec-p256").await;
    assert_eq!(gateway.stop().await.code(), Some(0));
    let listed = stage.token.tool(&["--list-objects"]).await;
    assert!(listed.stdout.contains("keyport:acme:kept"), "{listed:#?}");

    // A pair with the same label and another id is nobody's.
    stage.token.generate("0b", "keyport:acme:kept").await;
    let gateway = stage.start().await;
    api(&gateway, "acme").sign(&key).await;
    api(&gateway, "globex").ask_to_sign("kept").await.expect(404);
}

#[tokio::test]
async fn two_gateways_on_one_token_keep_to_their_own_keys() {
    let Some(stage) = Stage::usual().await else { return };
    let (first, site) = (stage.start().await, stage.another_site(usual()));
    let second = stage.start_on(&site).await;
    let (ours, theirs) = (api(&first, "acme"), api(&second, "acme"));

    let (own, other) = (ours.create("svid", "ec-p256").await, theirs.create("svid", "ec-p256").await);
    for _ in 0..3 {
        ours.sign(&own).await;
        theirs.sign(&other).await;
    }
    theirs.release("svid").await;
    eventually("the key to be destroyed", async || {
        entries(&site.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
    // A start puts right what this gateway left, and nothing of the other's.
    second.stop().await;
    let _again = stage.start_on(&site).await;
    ours.sign(&own).await;
    assert_eq!(stage.token.ids(Half::Private).await, ids(&[&own]));
}

/// Creates a key that may take longer than a request: who asks again is told what became of it.
async fn create_patiently(api: &Api, key_type: &str) -> Value {
    eventually("the key to be made", async || {
        let answer = api.ask_to_create(key_type, key_type).await;
        (answer.status != 503).then(|| answer.expect(201).json())
    })
    .await
}

async fn get(api: &Api, name: &str) -> Value {
    api.0.get(&format!("/keys/{name}")).await.expect(200).json()
}

fn ids(keys: &[&Value]) -> BTreeSet<String> {
    keys.iter().map(|key| text(key, "id").to_owned()).collect()
}

/// Whether OpenSSL takes this for a signature of `message` in the scheme.
pub(super) async fn accepts(pem: &str, scheme: &str, message: &[u8], signature: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let mut command = Command::new("openssl");
    command.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(file("pem", pem.as_bytes()));
    command.arg("-sigfile").arg(file("signature", signature)).arg("-in").arg(file("message", message));
    if let Some((_, hash)) = scheme.rsplit_once("-sha") {
        command.args(["-digest", &format!("sha{hash}")]);
    }
    if scheme.contains("pss") {
        command.args(["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]);
    }

    run(command).await.stdout.contains("Signature Verified Successfully")
}

/// What SoftHSM offers, and every way to sign with it.
const KEY_TYPES: &[(&str, &[&str])] = &[
    ("ec-p256", ECDSA),
    ("ec-p384", ECDSA),
    ("ec-p521", ECDSA),
    ("ec-secp256k1", ECDSA),
    ("ed25519", &["ed25519"]),
    ("rsa-2048", RSA),
    ("rsa-3072", RSA),
    ("rsa-4096", RSA),
];
const ECDSA: &[&str] = &["ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"];
const RSA: &[&str] = &[
    "rsa-pkcs1v15-sha256",
    "rsa-pkcs1v15-sha384",
    "rsa-pkcs1v15-sha512",
    "rsa-pss-sha256",
    "rsa-pss-sha384",
    "rsa-pss-sha512",
];
