//! Signatures are what they should be.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::Subject;
use crate::harness::{Hash, Key, Webhook, openssl_accepts, tool};

pub(super) async fn every_key_type_signs_every_hash(Subject { ours, .. }: &Subject) {
    for key_type in KEY_TYPES {
        let key = key_of(ours, key_type).await;
        for hash in Hash::ALL {
            // Several, since r and s begin with zeros only now and then.
            for turn in 0..4 {
                ours.sign(&key, hash, format!("{key_type} {hash} {turn}").as_bytes()).await;
            }
        }
    }
}

pub(super) async fn openssl_accepts_every_kind_of_signature(Subject { ours, .. }: &Subject) {
    if !tool("openssl").await {
        return;
    }

    for key_type in KEY_TYPES {
        let key = key_of(ours, key_type).await;
        for hash in Hash::ALL {
            let signature = ours.sign(&key, hash, b"for openssl").await;

            assert!(
                openssl_accepts(&key.public, hash, b"for openssl", &signature).await,
                "{key_type} {hash}"
            );
            assert!(
                !openssl_accepts(&key.public, hash, b"for nobody", &signature).await,
                "{key_type} {hash}"
            );
        }
    }
}

pub(super) async fn a_digest_is_read_in_any_base64(Subject { ours, .. }: &Subject) {
    ours.create("base64", "EC-P256").await;
    // Its base64 has both characters that the two alphabets differ in.
    let digest = [0xfb; 32];

    for text in [
        BASE64_STANDARD.encode(digest),
        BASE64_STANDARD_NO_PAD.encode(digest),
        BASE64_URL_SAFE.encode(digest),
        BASE64_URL_SAFE_NO_PAD.encode(digest),
    ] {
        for hash in ["SHA-256", "sha-256", "SHA_256"] {
            let body = json!({"digest": text, "hash_algorithm": hash}).to_string();
            ours.client.post("/keys/base64/sign", body).await.expect(200);
        }
    }
}

pub(super) async fn many_at_once_are_all_right(Subject { ours, .. }: &Subject) {
    let key = ours.create("at-once", "EC-P256").await;
    let sign = |turn: u32| {
        let (ours, key) = (ours.another(), key.clone());
        async move {
            for message in 0..8 {
                ours.sign(&key, Hash::Sha256, format!("{turn} {message}").as_bytes()).await;
            }
        }
    };

    let turns: Vec<_> = (0..16).map(|turn| tokio::spawn(sign(turn))).collect();
    for turn in turns {
        turn.await.expect("every signature is right");
    }
}

/// A key of this type, the same each time.
async fn key_of(ours: &Webhook, key_type: &str) -> Key {
    let name = format!("signs-{key_type}");
    match ours.listed(&name).await {
        Some(key) => key,
        None => ours.create(&name, key_type).await,
    }
}

const KEY_TYPES: [&str; 4] = ["EC-P256", "EC-P384", "RSA-2048", "RSA-4096"];
