//! Requests find their contract, and those that could be for two find none.

use proptest::prelude::*;

use super::stray::is_plain;
use crate::testing::{Answered, World};

async fn get(world: &World, target: &str, headers: &str) -> Answered {
    world.exchange(format!("GET {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")).await
}

fn request_id(answer: &Answered) -> String {
    let line = answer.head.lines().find(|line| line.starts_with("x-request-id: ")).unwrap();
    line.trim_start_matches("x-request-id: ").to_owned()
}

#[tokio::test]
async fn request_keeps_the_name_its_sender_gave_it() {
    let world = World::open().await;
    let answer = get(&world, "/webhook/keys", "Host: a\r\nX-Request-Id: abc-123\r\n").await;

    assert_eq!(request_id(&answer), "abc-123");
    assert_eq!(answer.text("request_id"), "abc-123");
}

#[tokio::test]
async fn request_without_a_sane_name_gets_one() {
    let world = World::open().await;
    let long = format!("X-Request-Id: {}\r\n", "x".repeat(65));

    for given in
        ["", "X-Request-Id: \r\n", "X-Request-Id: a b\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n", &long]
    {
        let answer = get(&world, "/webhook/keys", &format!("Host: a\r\n{given}")).await;
        let id = request_id(&answer);
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{given}: {id}");
        assert_eq!(answer.text("request_id"), id);
    }
}

#[tokio::test]
async fn contract_is_found_by_whole_segments_of_the_path() {
    let world = World::open().await;

    for (path, status) in [
        ("/webhook/keys", 401),
        ("/webhook", 401),
        ("/webhook/keys?a=b", 401),
        ("/webhooks/keys", 404),
        ("/web%68ook/keys", 404),
        ("/", 404),
        ("/keys", 404),
    ] {
        assert_eq!(get(&world, path, "Host: a\r\n").await.status, status, "{path}");
    }
}

#[tokio::test]
async fn targets_that_could_be_read_in_two_ways_are_refused() {
    let world = World::open().await;

    for target in [
        "http://elsewhere/webhook/keys",
        "*",
        "/webhook/../webhook/keys",
        "/webhook/./keys",
        "/webhook/%2e%2E/keys",
        "/webhook/keys/..",
        "/webhook/k\u{e4}ys",
    ] {
        let answer = get(&world, target, "Host: a\r\n").await;
        assert_eq!(answer.status, 400, "{target}");
    }
    for host in ["", "Host: a\r\nHost: a\r\n"] {
        assert_eq!(get(&world, "/webhook/keys", host).await.status, 400, "{host}");
    }
    let old = world.exchange("GET /webhook/keys HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status, 401);
}

proptest! {
    #[test]
    fn path_with_a_dot_segment_is_never_plain(before in "[a-z/]{0,9}", dots in "(\\.|%2e|%2E){1,2}", after in "(/[a-z]{0,9})?") {
        let path = format!("/{before}/{dots}{after}");

        prop_assert!(!is_plain(&path));
    }

    #[test]
    fn path_of_unreserved_characters_is_plain(path in "(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,9}){1,9}") {
        prop_assert!(is_plain(&path));
    }

    #[test]
    fn arbitrary_paths_never_panic(path: String) {
        is_plain(&path);
    }
}
