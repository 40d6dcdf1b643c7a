//! What belongs to another tenant is as if it were not there.

use hyper::Method;

use super::{Subject, named};
use crate::harness::{Answer, Client, Hash};

pub(super) async fn another_tenants_keys_are_like_none(Subject { ours, theirs }: &Subject) {
    ours.create("ours", "EC-P256").await;
    ours.create("ours-released", "EC-P256").await;
    ours.release("ours-released").await.expect(200);

    let missing = (sign(&theirs.client, "missing").await, release(&theirs.client, "missing").await);
    for name in ["ours", "ours-released"] {
        is_like(&sign(&theirs.client, name).await, &missing.0);
        is_like(&release(&theirs.client, name).await, &missing.1);
    }
    assert_eq!(theirs.listed("ours").await, None);
    assert!(ours.listed("ours").await.is_some());
    ours.ask_to_sign("ours", Hash::Sha256, b"still there").await.expect(200);
}

pub(super) async fn two_tenants_may_use_one_name(Subject { ours, theirs }: &Subject) {
    let our_key = ours.create("shared-name", "EC-P256").await;
    let their_key = theirs.create("shared-name", "EC-P256").await;

    assert_ne!(our_key.fingerprint, their_key.fingerprint);
    ours.sign(&our_key, Hash::Sha256, b"ours").await;
    theirs.sign(&their_key, Hash::Sha256, b"theirs").await;

    theirs.release("shared-name").await.expect(200);
    assert_eq!(ours.listed("shared-name").await, Some(our_key));
}

/// The ways to name a key that exists, or does not.
async fn sign(client: &Client, name: &str) -> Answer {
    let body = format!("{{\"digest\":\"{}\",\"hash_algorithm\":\"SHA-256\"}}", Hash::Sha256.base64(b"m"));
    named(client, Method::POST, &format!("/keys/{name}/sign"), &body).await
}

async fn release(client: &Client, name: &str) -> Answer {
    named(client, Method::POST, &format!("/keys/{name}/release"), "").await
}

#[track_caller]
fn is_like(foreign: &Answer, missing: &Answer) {
    let headers = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();

    assert_eq!(foreign.expect(404).body, missing.body);
    assert_eq!(headers(foreign), headers(missing));
}
