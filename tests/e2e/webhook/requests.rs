//! Requests that cannot be served are told why.

use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::Subject;
use crate::harness::{Answer, Hash};

pub(super) async fn nobody_is_served_without_a_known_token(Subject { ours, .. }: &Subject) {
    let upper_case = ours.client.token().expect("a token").to_uppercase();
    let everywhere = [
        (Method::POST, "/keys"),
        (Method::GET, "/keys"),
        (Method::POST, "/keys/a/sign"),
        (Method::POST, "/keys/a/release"),
        (Method::DELETE, "/keys"),
        (Method::GET, "/nothing"),
    ];

    // Few in all: who fails often is made to wait.
    for (client, requests) in [
        (ours.client.without_token(), &everywhere[..]),
        (ours.client.with_token("wrong"), &everywhere[..2]),
        (ours.client.with_token(&upper_case), &everywhere[..1]),
    ] {
        for (method, path) in requests {
            let answer = client.call(method.clone(), path, "{}").await;

            assert_eq!(answer.expect(401).header("www-authenticate"), Some("Bearer"), "{path}");
            assert_eq!(answer.json()["error"], "not authenticated", "{path}");
        }
    }
}

pub(super) async fn unknown_key_types_and_hashes_are_told_what_is_offered(Subject { ours, .. }: &Subject) {
    ours.create("offers", "EC-P256").await;

    for key_type in ["EC-P224", "EC-P521x", "ED25519", "RSA-1024", "RSA", ""] {
        let answer = ours.ask_to_create("offers-new", key_type).await;
        for offered in ["EC-P256", "EC-P384", "RSA-2048", "RSA-4096"] {
            is_invalid(&answer, &["key_type", offered]);
        }
    }
    for hash in ["SHA-1", "SHA-224", "SHA3-256", "MD5", ""] {
        let body = json!({"digest": Hash::Sha256.base64(b"m"), "hash_algorithm": hash}).to_string();
        let answer = ours.client.post("/keys/offers/sign", body).await;
        for offered in ["SHA-256", "SHA-384", "SHA-512"] {
            is_invalid(&answer, &["hash_algorithm", offered]);
        }
    }
}

pub(super) async fn a_digest_of_the_wrong_length_is_refused(Subject { ours, .. }: &Subject) {
    ours.create("lengths", "EC-P256").await;

    for hash in Hash::ALL {
        for other in Hash::ALL.iter().filter(|other| **other != hash) {
            let body = json!({"digest": other.base64(b"m"), "hash_algorithm": hash.to_string()}).to_string();
            is_invalid(&ours.client.post("/keys/lengths/sign", body).await, &["digest"]);
        }
    }
    for digest in ["", "AA==", &"A".repeat(4096)] {
        let body = json!({"digest": digest, "hash_algorithm": "SHA-256"}).to_string();
        is_invalid(&ours.client.post("/keys/lengths/sign", body).await, &["digest"]);
    }
}

pub(super) async fn what_is_not_base64_is_refused(Subject { ours, .. }: &Subject) {
    ours.create("not-base64", "EC-P256").await;
    let good = Hash::Sha256.base64(b"m");

    for digest in [
        format!("{good}="),
        format!("={good}"),
        format!("{good}\n"),
        good.replace('=', "!"),
        format!("-{}", good.replacen(|_: char| true, "/", 1)),
        "é".repeat(22),
    ] {
        let body = json!({"digest": digest, "hash_algorithm": "SHA-256"}).to_string();
        is_invalid(&ours.client.post("/keys/not-base64/sign", body).await, &["digest"]);
    }
}

pub(super) async fn a_body_must_be_a_json_object_with_the_right_fields(Subject { ours, .. }: &Subject) {
    ours.create("fields", "EC-P256").await;

    for path in ["/keys", "/keys/fields/sign"] {
        for body in ["", "null", "[]", "\"text\"", "1", "{", "{}}", "{\"key_id\":}", "\u{feff}{}", "key_id=a"]
        {
            is_invalid(&ours.client.post(path, body).await, &[]);
        }
        is_invalid(&ours.client.post(path, Bytes::from_static(b"{\"key_id\":\"\xff\"}")).await, &[]);
        is_invalid(&ours.client.post(path, "[".repeat(60_000)).await, &[]);
        is_invalid(&ours.client.post(path, format!("{{\"a\":{}", "[".repeat(60_000))).await, &[]);
    }
    for (field, body) in [
        ("key_id", json!({"key_type": "EC-P256"})),
        ("key_type", json!({"key_id": "fields-new"})),
        ("key_id", json!({"key_id": 1, "key_type": "EC-P256"})),
        ("key_id", json!({"key_id": null, "key_type": "EC-P256"})),
        ("key_id", json!({"key_id": "", "key_type": "EC-P256"})),
        ("key_id", json!({"key_id": "x".repeat(256), "key_type": "EC-P256"})),
        ("key_id", json!({"key_id": "a\u{0}b", "key_type": "EC-P256"})),
        ("key_id", json!({"key_id": "a\nb", "key_type": "EC-P256"})),
        ("key_type", json!({"key_id": "fields-new", "key_type": ["EC-P256"]})),
    ] {
        is_invalid(&ours.client.post("/keys", body.to_string()).await, &[field]);
    }
    for (field, body) in [
        ("digest", json!({"hash_algorithm": "SHA-256"})),
        ("hash_algorithm", json!({"digest": Hash::Sha256.base64(b"m")})),
        ("digest", json!({"digest": {}, "hash_algorithm": "SHA-256"})),
        ("hash_algorithm", json!({"digest": Hash::Sha256.base64(b"m"), "hash_algorithm": true})),
    ] {
        is_invalid(&ours.client.post("/keys/fields/sign", body.to_string()).await, &[field]);
    }
    assert_eq!(ours.listed("fields-new").await, None);
}

pub(super) async fn unknown_fields_are_passed_over(Subject { ours, .. }: &Subject) {
    let body = json!({"key_id": "unknown-fields", "key_type": "EC-P256", "labels": {"a": [1, null]}});

    ours.client.post("/keys", body.to_string()).await.expect(201);
}

pub(super) async fn an_oversized_body_is_refused_and_a_full_one_is_not(Subject { ours, .. }: &Subject) {
    let body = json!({"key_id": "full", "key_type": "EC-P256"}).to_string();

    ours.client.post("/keys", padded(&body, LARGEST)).await.expect(201);
    for path in ["/keys", "/keys/full/sign", "/keys/full/release"] {
        for size in [LARGEST + 1, 8 * LARGEST] {
            let answer = ours.client.another().post(path, padded(&body, size)).await;
            assert_eq!(answer.expect(413).json()["code"], "body_too_large", "{path}");
        }
    }
}

pub(super) async fn unknown_paths_and_wrong_methods_are_told_apart(Subject { ours, .. }: &Subject) {
    for path in [
        "",
        "/",
        "/keys/",
        "/keys/a",
        "/keys/a/",
        "/keys/a/sign/",
        "/keys/a/b/sign",
        "/key",
        "/KEYS",
        "//keys",
    ] {
        let answer = ours.client.call(Method::POST, path, "{}").await;
        assert!(matches!(answer.status, 404 | 400), "{path}: {} {}", answer.status, answer.text());
    }
    for (method, path, allow) in [
        (Method::DELETE, "/keys", "GET, POST"),
        (Method::PUT, "/keys", "GET, POST"),
        (Method::GET, "/keys/a/sign", "POST"),
        (Method::DELETE, "/keys/a/release", "POST"),
    ] {
        let answer = ours.client.call(method, path, "").await;
        assert_eq!(answer.expect(405).header("allow"), Some(allow), "{path}");
    }
}

pub(super) async fn the_request_id_is_echoed_where_it_is_sane(Subject { ours, .. }: &Subject) {
    let ask = async |id: &str| {
        let answer = ours
            .client
            .try_call(Method::POST, "/keys/nobody/release", "", Some(id))
            .await
            .expect("an answer");
        let echoed = answer.header("x-request-id").expect("every answer has one").to_owned();
        assert_eq!(answer.json()["request_id"], echoed.as_str());
        echoed
    };

    assert_eq!(ask("a-request/1").await, "a-request/1");
    assert_eq!(ask(&"x".repeat(64)).await, "x".repeat(64));
    for insane in ["", "with space", &"x".repeat(65)] {
        let echoed = ask(insane).await;
        assert_ne!(echoed, insane);
        assert!(!echoed.is_empty());
    }
}

/// The contract's own limit, in bytes.
const LARGEST: usize = 64 * 1024;

/// `body` with white space after it, `size` bytes in all.
fn padded(body: &str, size: usize) -> String {
    format!("{body}{}", " ".repeat(size - body.len()))
}

/// The answer is 400, in the contract's form, and its text contains each of `words`.
#[track_caller]
pub(super) fn is_invalid(answer: &Answer, words: &[&str]) {
    let body = answer.expect(400).json();
    let error = body["error"].as_str().unwrap_or_default();

    assert_eq!(body["code"], Value::from("invalid_request"), "{error}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}
