//! HTTP as it should not be: framing that two readers would read in two ways, and senders that take their time.

use std::time::Duration;

use crate::harness::{Gateway, Hash, Key, Plan, Site, Webhook, Wire, token_of};

#[tokio::test]
async fn a_request_that_could_be_read_in_two_ways_is_the_last_of_its_connection() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    webhook.create("victim", "EC-P256").await;
    let smuggled =
        format!("POST /webhook/keys/victim/release HTTP/1.1\r\n{}Content-Length: 0\r\n\r\n", headers());

    for (name, status, head, body) in SHAPES {
        // Without the odd framing it would be served, and so would what follows it.
        let answer = exchange(
            &gateway,
            &format!("GET /webhook/keys HTTP/1.1\r\n{}{head}\r\n{body}{smuggled}", headers()),
        )
        .await;

        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}:\n{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name} was read as two:\n{answer}");
        assert!(webhook.listed("victim").await.is_some(), "{name} released the key");
    }
}

#[tokio::test]
async fn a_request_target_is_a_path_and_nothing_else() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;

    for target in
        ["https://elsewhere/webhook/keys", "*", "elsewhere:443", "webhook/keys", "/webhook/../webhook/keys"]
    {
        let answer =
            exchange(&gateway, &format!("GET {target} HTTP/1.1\r\n{}Connection: close\r\n\r\n", headers()))
                .await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{target}:\n{answer}");
    }
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let authorization = format!("Authorization: Bearer {}\r\n", token_of("acme"));
        let request =
            format!("GET /webhook/keys HTTP/1.1\r\n{hosts}{authorization}Connection: close\r\n\r\n");
        let answer = exchange(&gateway, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts}:\n{answer}");
    }
}

#[tokio::test]
async fn two_credentials_are_none() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let (acme, other) = (token_of("acme"), token_of("other"));

    for headers in [
        format!("Authorization: Bearer {acme}\r\nAuthorization: Bearer {other}\r\n"),
        format!("Authorization: Bearer {acme}\r\nAuthorization: Bearer {acme}\r\n"),
        format!("Authorization: Bearer {acme}, Bearer {other}\r\n"),
        format!("Authorization: Basic {acme}\r\n"),
        format!("Authorization: {acme}\r\n"),
        "Authorization: Bearer\r\n".to_owned(),
    ] {
        let request = format!("GET /webhook/keys HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n");
        let answer = exchange(&gateway, &request).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{headers}:\n{answer}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let site = Site::new(&Plan { limits: "request-timeout = \"500ms\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;

    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let request = format!("POST /webhook/keys HTTP/1.1\r\n{}{framing}\r\n\r\n", headers());
        let mut wire = Wire::open(&gateway.server).await;
        wire.send(request).await;
        let answer = wire.until("\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{framing}:\n{answer}");
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let site = Site::new(&Plan { limits: "request-timeout = \"500ms\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let mut wire = Wire::open(&gateway.server).await;
    wire.send(format!("POST /webhook/keys HTTP/1.1\r\n{}Content-Length: 60000\r\n\r\n", headers())).await;

    let mut answer = String::new();
    for _ in 0..200 {
        wire.send(" ").await;
        answer = wire.until_silent(Duration::from_millis(10)).await;
        if !answer.is_empty() {
            break;
        }
    }
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let site = Site::new(&Plan {
        limits: "header-timeout = \"400ms\"\nidle-timeout = \"400ms\"".to_owned(),
        ..Plan::soft()
    });
    let gateway = site.start().await;

    for begun in ["", "GET /webhook/keys HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let mut wire = Wire::open(&gateway.server).await;
        wire.send(begun).await;
        let answer = wire.until_closed().await;
        assert!(!answer.contains("HTTP/1.1 2"), "{answer}");
    }
}

#[tokio::test]
async fn silent_connections_give_their_places_to_those_who_ask() {
    let site =
        Site::new(&Plan { limits: "connections = 4\nheader-timeout = \"1s\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Wire::open(&gateway.server).await);
    }

    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("fifth", "EC-P256").await;
    webhook.sign(&key, Hash::Sha256, b"m").await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_on_record_all_the_same() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("hung-up", "EC-P256").await;

    for turn in 0..20 {
        let mut wire = Wire::open(&gateway.server).await;
        wire.send(signing(&webhook, &key, &format!("hung-up-{turn}"))).await;
        drop(wire);
    }
    // Whichever of them were begun have an end; and the gateway is none the worse.
    webhook.sign(&key, Hash::Sha256, b"m").await;
    let ended = gateway.stop().await;
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("pipelined", "EC-P256").await;

    let mut wire = Wire::open(&gateway.server).await;
    let requests: String = (0..10).map(|turn| signing(&webhook, &key, &format!("turn-{turn}"))).collect();
    wire.send(requests).await;
    let answer = wire.until("turn-9").await;

    let places: Vec<_> = (0..10).map(|turn| answer.find(&format!("turn-{turn}"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answer}");
}

async fn exchange(gateway: &Gateway, request: &str) -> String {
    let mut wire = Wire::open(&gateway.server).await;
    wire.send(request).await;
    wire.until_closed().await
}

/// A request to sign, on the wire.
fn signing(webhook: &Webhook, key: &Key, id: &str) -> String {
    let body =
        format!("{{\"digest\":\"{}\",\"hash_algorithm\":\"SHA-256\"}}", Hash::Sha256.base64(id.as_bytes()));
    format!(
        "POST {}/keys/{}/sign HTTP/1.1\r\n{}X-Request-Id: {id}\r\nContent-Length: {}\r\n\r\n{body}",
        webhook.client.base(),
        key.name,
        headers(),
        body.len(),
    )
}

fn headers() -> String {
    format!("Host: localhost\r\nAuthorization: Bearer {}\r\n", token_of("acme"))
}

/// Odd framing by its name: what it is answered, further headers, and a body that a smuggled request follows.
///
/// Of length and chunked together, chunked counts (RFC 9112, section 6.1).
const SHAPES: [(&str, u16, &str, &str); 22] = [
    ("length and chunked", 200, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("chunked and length", 200, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    ("two lengths", 400, "Content-Length: 0\r\nContent-Length: 5\r\n", "hello"),
    ("two lengths in one", 400, "Content-Length: 0, 5\r\n", "hello"),
    ("a length with a sign", 400, "Content-Length: +0\r\n", ""),
    ("a negative length", 400, "Content-Length: -1\r\n", ""),
    ("a length in hexadecimal", 400, "Content-Length: 0x5\r\n", "hello"),
    ("a length beyond all numbers", 400, "Content-Length: 18446744073709551616\r\n", ""),
    ("an empty length", 400, "Content-Length: \r\n", ""),
    ("chunked spelled oddly", 400, "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    ("chunked not last", 400, "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    ("an encoding that is none", 400, "Transfer-Encoding: identity\r\n", ""),
    ("chunked behind a vertical tab", 400, "Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"),
    ("a space before the colon", 400, "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    ("a folded header", 400, "X-Folded: a\r\n b\r\nContent-Length: 0\r\n", ""),
    ("a folded encoding", 400, "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
    ("a bare carriage return", 400, "X-Bare: a\rContent-Length: 5\r\n", "hello"),
    ("a zero byte in a header", 400, "X-Zero: a\0b\r\nContent-Length: 0\r\n", ""),
    ("a chunk size that is none", 400, "Transfer-Encoding: chunked\r\n", "g\r\n\r\n"),
    ("a chunk size with a sign", 400, "Transfer-Encoding: chunked\r\n", "+0\r\n\r\n"),
    ("a chunk size beyond all numbers", 400, "Transfer-Encoding: chunked\r\n", "fffffffffffffffff0\r\n\r\n"),
    ("a chunk longer than it says", 400, "Transfer-Encoding: chunked\r\n", "1\r\nhello\r\n0\r\n\r\n"),
];
