//! Public halves that are published as a set.

use serde_json::json;

use super::*;

#[tokio::test]
async fn published_keys_are_for_everybody_and_no_others_are() {
    let world = World::open().await;
    let one = create(&world, "x509-a", "ec-p256").await.json();
    create(&world, "jwt-a", "rsa-2048").await;

    let set = world.ask_as("nobody", "GET", "/v1/jwks/all", "").await;
    assert_eq!(set.status, 200);
    assert!(set.head.contains("content-type: application/jwk-set+json"), "{}", set.head);
    assert_eq!(set.json()["keys"].as_array().unwrap().len(), 2);
    let narrow = world.ask_as("nobody", "GET", "/v1/jwks/x509", "").await.json();
    let keys = narrow["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!((&keys[0]["alg"], &keys[0]["use"]), (&json!("ES256"), &json!("sig")));
    assert_eq!(keys[0]["x"], one["public_key"]["jwk"]["x"]);
    assert_eq!(keys[0]["kid"].as_str().unwrap().len(), 40, "a SHA-1 in hexadecimal digits");

    world.ask("POST", "/v1/keys/x509-a/release", "").await;
    let later = world.ask_as("nobody", "GET", "/v1/jwks/x509", "").await.json();
    assert_eq!(later, narrow, "a released key can still be resolved");
    let unknown = world.ask_as("nobody", "GET", "/v1/jwks/acme", "").await;
    assert_eq!(refusal(&unknown), (404, "no_such_path".to_owned()));
}

#[tokio::test]
async fn known_key_set_is_not_sent_again() {
    let world = World::open().await;
    create(&world, "x509-a", "ec-p256").await;
    let set = world.ask("GET", "/v1/jwks/all", "").await;
    let etag = set.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    assert!(set.head.contains("cache-control: public, max-age=60"), "{}", set.head);

    let ask = async |known: &str| {
        world
            .exchange(format!(
                "GET /v1/jwks/all HTTP/1.1\r\nHost: g\r\nIf-None-Match: {known}\r\nConnection: close\r\n\r\n"
            ))
            .await
    };
    assert_eq!(ask(&etag).await.status, 304);
    assert_eq!(ask(&format!("\"x\", W/{etag}")).await.status, 304);
    assert_eq!(ask("\"x\"").await.status, 200);
    create(&world, "x509-b", "ec-p256").await;
    assert_eq!(ask(&etag).await.status, 200, "a new key changes the set");
}
