//! Keys are created, listed, replaced and released.

use super::Subject;
use crate::harness::{Hash, fingerprint, verifies};

pub(super) async fn a_new_key_is_answered_and_listed_alike(Subject { ours, .. }: &Subject) {
    let answer = ours.ask_to_create("alike", "EC-P256").await;
    assert_eq!(answer.expect(201).header("content-type"), Some("application/json"));

    let key = ours.listed("alike").await.expect("it is listed");
    let answer = answer.json();
    assert_eq!(answer["public_key"], key.public.as_str());
    assert_eq!(answer["fingerprint"], key.fingerprint.as_str());
    assert_eq!(key.fingerprint, fingerprint(&key.public));
    assert!(key.public.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", key.public);
    assert!(key.public.ends_with("\n-----END PUBLIC KEY-----"), "{}", key.public);

    // The fingerprint that comes with a signature is compared, too.
    ours.sign(&key, Hash::Sha256, b"alike").await;
}

pub(super) async fn key_types_are_read_in_any_spelling(Subject { ours, .. }: &Subject) {
    for key_type in ["EC-P256", "ec-p256", "EC_P256", "ec_P256"] {
        ours.create("spelling", key_type).await;
    }
}

pub(super) async fn names_seen_in_the_wild_go_there_and_back(Subject { ours, .. }: &Subject) {
    for name in NAMES {
        let key = ours.create(name, "EC-P256").await;

        assert_eq!(ours.listed(name).await, Some(key.clone()), "{name}");
        ours.sign(&key, Hash::Sha256, name.as_bytes()).await;
        ours.release(name).await.expect(200);
        assert_eq!(ours.listed(name).await, None, "{name}");
    }
}

pub(super) async fn creating_a_name_again_replaces_its_key(Subject { ours, .. }: &Subject) {
    let old = ours.create("replaced", "EC-P256").await;
    let new = ours.create("replaced", "EC-P256").await;

    assert_ne!(old.fingerprint, new.fingerprint);
    assert_eq!(ours.listed("replaced").await, Some(new.clone()));
    let signature = ours.sign(&new, Hash::Sha256, b"new").await;
    assert!(!verifies(&old.public, Hash::Sha256, b"new", &signature), "the old key signed");

    // Another type is no obstacle to replacing.
    let other = ours.create("replaced", "EC-P384").await;
    ours.sign(&other, Hash::Sha384, b"other").await;
}

pub(super) async fn a_released_key_is_listed_no_more_and_signs_no_more(Subject { ours, .. }: &Subject) {
    ours.create("released", "EC-P256").await;

    for _ in 0..2 {
        let answer = ours.release("released").await;
        assert!(answer.expect(200).body.is_empty(), "{}", answer.text());
    }
    assert_eq!(ours.listed("released").await, None);
    let answer = ours.ask_to_sign("released", Hash::Sha256, b"too late").await;
    assert_eq!(answer.expect(409).json()["code"], "key_released");
}

pub(super) async fn a_released_name_can_be_used_again(Subject { ours, .. }: &Subject) {
    let old = ours.create("again", "EC-P256").await;
    ours.release("again").await.expect(200);
    let new = ours.create("again", "EC-P256").await;

    assert_ne!(old.fingerprint, new.fingerprint);
    ours.sign(&new, Hash::Sha256, b"again").await;
}

pub(super) async fn an_unknown_key_is_not_found(Subject { ours, .. }: &Subject) {
    for answer in [ours.ask_to_sign("nobody", Hash::Sha256, b"m").await, ours.release("nobody").await] {
        let body = answer.expect(404).json();

        assert_eq!(body["code"], "key_not_found");
        assert_eq!(body["error"], "no such key");
        assert_eq!(body["request_id"].as_str(), answer.header("x-request-id"));
    }
}

/// What trust domain servers and people call keys.
const NAMES: [&str; 9] = [
    "x509-CA-A",
    "JWT-Signer-B",
    "signing-key-2026-01",
    "a.b+c",
    "spire/server/x509",
    "with space and \"quotes\"",
    "Schlüssel-東京-🔑",
    "100%25",
    "...",
];
