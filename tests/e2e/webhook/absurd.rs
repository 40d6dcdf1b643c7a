//! Key names in paths that no client would send.

use super::Subject;
use crate::harness::Wire;

pub(super) async fn absurd_names_are_refused_or_not_found(Subject { ours, .. }: &Subject) {
    ours.create("a/b", "EC-P256").await;

    for (name, status) in [
        ("a%2Fb-not-there", 404),
        ("%61%2fc", 404),
        ("%00", 400),
        ("a%00b", 400),
        ("%0d%0aX-Injected:%20yes", 400),
        ("%7f", 400),
        ("%ff", 400),
        ("%c3%28", 400),
        ("%zz", 400),
        ("%", 400),
        ("a%2", 400),
        ("..", 400),
        (".", 400),
        ("%2e%2e", 400),
        ("..%2f..%2fkeys", 404),
        ("%2e%2e%2fetc", 404),
        ("a/../b", 400),
        ("caf\u{e9}", 400),
        ("caf%C3%A9", 404),
        ("%F0%9F%94%91", 404),
        ("+", 404),
        ("a;b=c", 404),
        ("*", 404),
    ] {
        let answer = raw_release(ours, name).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name} wants {status}:\n{answer}");
        assert!(!answer.to_ascii_lowercase().contains("x-injected"), "{name}:\n{answer}");
    }
    for (length, status) in [(255, 404), (256, 400), (1000, 400)] {
        let answer = raw_release(ours, &"x".repeat(length)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{length}:\n{answer}");
    }
    // Longer than any head may be.
    let answer = raw_release(ours, &"x".repeat(100_000)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}

pub(super) async fn nothing_absurd_was_taken_for_a_key(Subject { ours, .. }: &Subject) {
    let names: Vec<_> = ours.list().await.into_iter().map(|key| key.name).collect();

    assert!(names.iter().any(|name| name == "a/b"), "it was released under another name: {names:?}");
    assert!(names.iter().all(|name| !name.chars().any(char::is_control)), "{names:?}");
}

/// Asks to release a key whose name is in the path just so.
async fn raw_release(ours: &crate::harness::Webhook, name: &str) -> String {
    let client = &ours.client;
    let mut wire = Wire::open(client.server()).await;
    wire.send(format!(
        "POST {}/keys/{name}/release HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
        client.base(),
        client.token().expect("a token"),
    ))
    .await;

    wire.until_closed().await
}
