//! What the contract promises, over a gateway with the real token and store.

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use crate::telemetry::Now;
use crate::testing::{Answered, World};

async fn create(world: &World, id: &str, key_type: &str) -> Answered {
    world.ask("POST", "/webhook/keys", &json!({ "key_id": id, "key_type": key_type }).to_string()).await
}

fn sign_body(algorithm: &'static aws_lc_rs::digest::Algorithm, name: &str, message: &[u8]) -> String {
    let digest = STANDARD.encode(digest(algorithm, message));
    json!({ "digest": digest, "hash_algorithm": name }).to_string()
}

async fn sign(world: &World, id: &str) -> Answered {
    world.ask("POST", &format!("/webhook/keys/{id}/sign"), &sign_body(&SHA256, "SHA-256", b"hello")).await
}

fn spki(created: &Answered) -> Vec<u8> {
    SubjectPublicKeyInfoDer::from_pem_slice(created.text("public_key").as_bytes()).unwrap().to_vec()
}

async fn listed(world: &World, token: &str) -> Vec<String> {
    let list = world.ask_as(token, "GET", "/webhook/keys", "").await;
    assert_eq!(list.status, 200);
    let mut ids: Vec<_> = list.json()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["key_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn key_is_the_same_in_create_list_and_sign() {
    let world = World::open().await;
    let created = create(&world, "signing-key-2026-01", "EC-P256").await;
    assert_eq!(created.status, 201);
    let expected = format!("sha256:{}", hex::encode(digest(&SHA256, &spki(&created))));
    assert_eq!(created.text("fingerprint"), expected);

    let list = world.ask("GET", "/webhook/keys", "").await;
    let key = &list.json()["keys"][0];
    assert_eq!(key["key_id"], "signing-key-2026-01");
    assert_eq!(
        (&key["public_key"], &key["fingerprint"]),
        (&created.json()["public_key"], &created.json()["fingerprint"])
    );
    let signed = sign(&world, "signing-key-2026-01").await;
    assert_eq!((signed.status, signed.text("key_fingerprint")), (200, expected));
}

#[tokio::test]
async fn signatures_verify_with_every_hash_and_key_type() {
    let world = World::open().await;
    let suites: [(_, _, _, &'static dyn VerificationAlgorithm); 5] = [
        ("EC-P256", &SHA256, "SHA-256", &ECDSA_P256_SHA256_ASN1),
        ("EC-P256", &SHA384, "SHA-384", &ECDSA_P256_SHA384_ASN1),
        ("EC-P256", &SHA512, "SHA-512", &ECDSA_P256_SHA512_ASN1),
        ("EC-P384", &SHA384, "sha_384", &ECDSA_P384_SHA384_ASN1),
        ("RSA-2048", &SHA256, "SHA-256", &RSA_PKCS1_2048_8192_SHA256),
    ];

    for (key_type, algorithm, hash, verifier) in suites {
        let created = create(&world, "key", key_type).await;
        let signed = world.ask("POST", "/webhook/keys/key/sign", &sign_body(algorithm, hash, b"hello")).await;
        let signature = STANDARD.decode(signed.text("signature")).unwrap();

        let public = UnparsedPublicKey::new(verifier, spki(&created));
        assert!(public.verify(b"hello", &signature).is_ok(), "{key_type} {hash}");
        assert!(public.verify(b"hullo", &signature).is_err(), "{key_type} {hash}");
    }
}

#[tokio::test]
async fn creating_an_id_that_exists_replaces_the_key() {
    let world = World::open().await;
    let first = create(&world, "a", "EC-P256").await;
    let signed = sign(&world, "a").await;
    assert_eq!(signed.text("key_fingerprint"), first.text("fingerprint"));

    let second = create(&world, "a", "EC-P256").await;
    assert_eq!(second.status, 201);
    assert_ne!(second.text("fingerprint"), first.text("fingerprint"));
    assert_eq!(sign(&world, "a").await.text("key_fingerprint"), second.text("fingerprint"));
    assert_eq!(listed(&world, "acme-token").await, ["a"]);
}

#[tokio::test]
async fn released_key_is_gone_from_the_list_and_signs_no_more() {
    let world = World::open().await;
    create(&world, "a", "EC-P256").await;

    for _ in 0..2 {
        let released = world.ask("POST", "/webhook/keys/a/release", "").await;
        assert_eq!((released.status, released.body.as_str()), (200, ""));
    }
    assert!(listed(&world, "acme-token").await.is_empty());
    let signed = sign(&world, "a").await;
    assert_eq!((signed.status, signed.text("code").as_str()), (409, "key_released"));
    let unknown = world.ask("POST", "/webhook/keys/b/release", "").await;
    assert_eq!((unknown.status, unknown.text("code").as_str()), (404, "key_not_found"));
}

#[tokio::test]
async fn key_ids_of_the_wild_work_in_bodies_and_paths() {
    let world = World::open().await;

    for (id, segment) in [
        ("x509-CA-A", "x509-CA-A"),
        ("JWT-Signer-B", "JWT%2DSigner-B"),
        ("a.b+c/d e", "a.b+c%2Fd%20e"),
        ("schlüssel", "schl%C3%BCssel"),
    ] {
        assert_eq!(create(&world, id, "ec_p256").await.status, 201, "{id}");
        assert_eq!(sign(&world, segment).await.status, 200, "{id}");
    }
    for absurd in ["%00", "%", "%zz", "%ff", "", "%2e%2e"] {
        assert_eq!(sign(&world, absurd).await.status, 400, "{absurd}");
    }
    assert_eq!(sign(&world, "a.b+c/d%20e").await.status, 404);
}

#[tokio::test]
async fn other_tenants_keys_do_not_exist() {
    let world = World::open().await;
    create(&world, "a", "EC-P256").await;
    let body = sign_body(&SHA256, "SHA-256", b"hello");
    let foreign = world.ask_as("globex-token", "POST", "/webhook/keys/a/sign", &body).await;
    let unknown = world.ask_as("globex-token", "POST", "/webhook/keys/b/sign", &body).await;

    assert_eq!((foreign.status, foreign.text("code").as_str()), (404, "key_not_found"));
    assert_eq!(foreign.text("error"), unknown.text("error"));
    assert!(listed(&world, "globex-token").await.is_empty());
}

#[tokio::test]
async fn caller_sees_and_uses_only_what_its_rights_cover() {
    let world = World::open().await;
    create(&world, "x509-CA-A", "EC-P256").await;
    create(&world, "JWT-Signer-A", "EC-P256").await;
    let body = sign_body(&SHA256, "SHA-256", b"hello");

    assert_eq!(listed(&world, "narrow-token").await, ["x509-CA-A"]);
    for (path, status) in [("x509-CA-A/sign", 200), ("JWT-Signer-A/sign", 403), ("x509-CA-A/release", 403)] {
        let answer = world.ask_as("narrow-token", "POST", &format!("/webhook/keys/{path}"), &body).await;
        assert_eq!(answer.status, status, "{path}");
    }
    let create = json!({ "key_id": "x509-CA-B", "key_type": "EC-P256" }).to_string();
    assert_eq!(world.ask_as("narrow-token", "POST", "/webhook/keys", &create).await.status, 403);
}

#[tokio::test]
async fn strangers_learn_nothing_and_are_counted() {
    let world = World::open().await;
    create(&world, "a", "EC-P256").await;

    for (method, path) in [("GET", "keys"), ("POST", "keys/a/sign"), ("PUT", "keys"), ("GET", "nothing/here")]
    {
        let answer = world.ask_as("wrong", method, &format!("/webhook/{path}"), "").await;
        assert_eq!(
            (answer.status, answer.text("code").as_str()),
            (401, "unauthenticated"),
            "{method} {path}"
        );
        assert!(answer.head.contains("www-authenticate: Bearer"), "{}", answer.head);
    }
    let page = world.telemetry.text(Now { audit_writable: true, certificate_expires: None }).unwrap();
    assert!(
        page.contains("keyport_unauthenticated_total{contract=\"webhook\",reason=\"unknown_token\"} 4"),
        "{page}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_takes_other_methods() {
    let world = World::open().await;

    for path in ["", "/", "/keys/", "/keys/a", "/keys/a/public-key", "/keys/a/sign/", "//keys", "/KEYS"] {
        let answer = world.ask("GET", &format!("/webhook{path}"), "").await;
        assert_eq!((answer.status, answer.text("code").as_str()), (404, "no_such_path"), "{path}");
    }
    for (method, path, allow) in [
        ("DELETE", "keys", "GET, POST"),
        ("PUT", "keys", "GET, POST"),
        ("GET", "keys/a/sign", "POST"),
        ("DELETE", "keys/a/release", "POST"),
        ("OPTIONS", "keys", "GET, POST"),
        ("BREW", "keys", "GET, POST"),
    ] {
        let answer = world.ask(method, &format!("/webhook/{path}"), "").await;
        assert_eq!(
            (answer.status, answer.text("code").as_str()),
            (405, "method_not_allowed"),
            "{method} {path}"
        );
        assert!(answer.head.contains(&format!("allow: {allow}")), "{}", answer.head);
    }
}

#[tokio::test]
async fn refused_request_of_a_known_caller_is_on_record() {
    let world = World::open().await;
    let refused =
        world.ask("POST", "/webhook/keys/a/sign", r#"{"digest":"AAAA","hash_algorithm":"SHA-256"}"#).await;
    assert_eq!(refused.status, 400);

    let events = world.events();
    let event = events.last().unwrap();
    assert_eq!(event["operation"], "sign", "{event}");
    assert_eq!(event["outcome"], "refused", "{event}");
    assert_eq!(event["caller"], "tds", "{event}");
    assert_eq!(event["request_id"], refused.text("request_id"), "{event}");
}

#[tokio::test]
async fn nothing_is_answered_that_is_not_on_record() {
    let world = World::open().await;
    create(&world, "a", "EC-P256").await;
    world.close_audit().await;

    for answer in [sign(&world, "a").await, world.ask("POST", "/webhook/keys/a/sign", "{}").await] {
        assert_eq!((answer.status, answer.text("code").as_str()), (503, "unavailable"), "{}", answer.body);
        assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    }
    assert!(!world.gateway.readiness().audit_writable);
}

#[tokio::test]
async fn content_type_of_a_body_does_not_matter() {
    let world = World::open().await;
    let body = r#"{"key_id":"a","key_type":"EC-P256"}"#;
    let answer = world
        .exchange(format!(
            "POST /webhook/keys HTTP/1.1\r\nHost: g\r\nAuthorization: bearer acme-token\r\nContent-Type: text/plain\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;

    assert_eq!(answer.status, 201);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
}
