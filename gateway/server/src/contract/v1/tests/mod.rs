//! What the contract promises, over a gateway with the real token and store.

mod digests;
mod published;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::testing::{Answered, World};

async fn create(world: &World, name: &str, key_type: &str) -> Answered {
    world.ask("POST", "/v1/keys", &json!({ "name": name, "type": key_type }).to_string()).await
}

async fn post(world: &World, path: &str, body: Value) -> Answered {
    world.ask("POST", &format!("/v1/{path}"), &body.to_string()).await
}

async fn create_once(world: &World, idempotency: &str, name: &str, key_type: &str) -> Answered {
    let body = json!({ "name": name, "type": key_type }).to_string();
    let length = body.len();
    world
        .exchange(format!(
            "POST /v1/keys HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer acme-token\r\nConnection: close\r\n\
             Idempotency-Key: {idempotency}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
}

fn refusal(answer: &Answered) -> (u16, String) {
    (answer.status, answer.text("code"))
}

fn names(page: &Value) -> Vec<String> {
    let keys = page["keys"].as_array().unwrap();
    keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn key_is_the_same_wherever_it_is_shown() {
    let world = World::open().await;
    let created = create(&world, "x509/CA A", "ec-p256").await;
    assert_eq!(created.status, 201, "{}", created.body);
    let key = created.json();

    assert_eq!(
        (&key["type"], &key["state"], &key["provider"]),
        (&json!("ec-p256"), &json!("active"), &json!("soft"))
    );
    let der = STANDARD.decode(key["public_key"]["der"].as_str().unwrap()).unwrap();
    assert_eq!(key["fingerprint"], format!("sha256:{}", hex::encode(digest(&SHA256, &der))));
    assert_eq!(key["public_key"]["jwk"]["crv"], "P-256");
    let pem = key["public_key"]["pem"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("\n-----END PUBLIC KEY-----\n"));

    assert_eq!(world.ask("GET", "/v1/keys/x509%2FCA%20A", "").await.json(), key);
    assert_eq!(world.ask("GET", "/v1/keys", "").await.json(), json!({ "keys": [key], "next_cursor": null }));
}

#[tokio::test]
async fn what_is_signed_verifies_in_every_format() {
    let world = World::open().await;
    create(&world, "ec", "ec-p384").await;
    create(&world, "ed", "ed25519").await;
    create(&world, "rsa", "rsa-2048").await;
    let message = STANDARD.encode("hello");
    let hashed = STANDARD.encode(digest(&SHA256, b"hello"));

    for (key, what) in [
        ("ec", json!({ "message": message, "scheme": "ES384" })),
        ("ec", json!({ "message": message, "scheme": "ecdsa-sha256" })),
        ("rsa", json!({ "digest": hashed, "scheme": "rsa-pkcs1v15-sha256" })),
        ("rsa", json!({ "message": message, "scheme": "RS512" })),
        ("rsa", json!({ "message": message, "scheme": "rsa-pss-sha384" })),
        ("ed", json!({ "message": message })),
        ("ed", json!({ "message": message, "scheme": "EdDSA" })),
    ] {
        for format in ["der", "raw", "jws"] {
            let mut sign = what.clone();
            sign["format"] = json!(format);
            let signed = post(&world, &format!("keys/{key}/sign"), sign).await;
            assert_eq!(signed.status, 200, "{what} {}", signed.body);
            assert_eq!(signed.text("format"), format);

            let mut verify = what.clone();
            verify["signature"] = json!(signed.text("signature"));
            let verified = post(&world, &format!("keys/{key}/verify"), verify.clone()).await;
            assert_eq!(verified.json(), json!({ "valid": true }), "{what}");

            verify.as_object_mut().unwrap().retain(|field, _| field != "digest");
            verify["message"] = json!(STANDARD.encode("hello!"));
            let verified = post(&world, &format!("keys/{key}/verify"), verify).await;
            assert_eq!(verified.json(), json!({ "valid": false }), "{what}");
        }
    }
    let raw = post(&world, "keys/ec/sign", json!({ "digest": hashed, "format": "jws" })).await;
    assert_eq!(URL_SAFE_NO_PAD.decode(raw.text("signature")).unwrap().len(), 96);
}

#[tokio::test]
async fn what_cannot_be_signed_is_told_by_field() {
    let world = World::open().await;
    create(&world, "ec", "ec-p384").await;
    let digest = STANDARD.encode([7; 32]);

    for (body, field) in [
        (json!({}), "digest"),
        (json!({ "digest": digest, "message": digest }), "digest"),
        (json!({ "digest": "????" }), "digest"),
        (json!({ "digest": STANDARD.encode([7; 20]) }), "digest"),
        (json!({ "digest": digest, "scheme": "ES384" }), "digest"),
        (json!({ "digest": digest, "scheme": "none" }), "scheme"),
        (json!({ "digest": digest, "scheme": "ES256" }), "scheme"),
        (json!({ "digest": digest, "scheme": 7 }), "scheme"),
        (json!({ "digest": digest, "format": "pem" }), "format"),
        (json!({ "digest": digest, "algorithm": "x" }), "body"),
        (json!({ "message": digest }), "message"),
        (json!([]), "body"),
    ] {
        let refused = post(&world, "keys/ec/sign", body.clone()).await;
        assert_eq!(refusal(&refused), (400, "invalid_request".to_owned()), "{body}");
        assert!(refused.text("error").starts_with(&format!("{field}: ")), "{body} {}", refused.body);
    }
    let unsupported = post(&world, "keys/ec/sign", json!({ "digest": digest, "scheme": "PS256" })).await;
    assert_eq!(unsupported.status, 400, "{}", unsupported.body);
}

#[tokio::test]
async fn list_comes_in_pages_and_can_be_narrowed() {
    let world = World::open().await;
    for name in ["a-1", "b-1", "a-2", "a-3", "b-2"] {
        create(&world, name, "ec-p256").await;
    }
    world.ask("POST", "/v1/keys/a-2/release", "").await;

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.ask("GET", &format!("/v1/keys?limit=2{cursor}"), "").await.json();
        assert!(names(&page).len() <= 2);
        seen.extend(names(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    let mut all = names(&world.ask("GET", "/v1/keys", "").await.json());
    assert_eq!(seen, all, "pages are in the order of the whole");
    all.sort();
    assert_eq!(all, ["a-1", "a-2", "a-3", "b-1", "b-2"]);
    assert_eq!(names(&world.ask("GET", "/v1/keys?state=released", "").await.json()), ["a-2"]);
    assert_eq!(names(&world.ask("GET", "/v1/keys?state=active&prefix=a-", "").await.json()).len(), 2);
    assert_eq!(refusal(&world.ask("GET", "/v1/keys?limit=0", "").await), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn released_key_is_restored_by_its_id_and_deleted_for_good() {
    let world = World::open().await;
    let id = create(&world, "a", "ec-p256").await.text("id");
    create(&world, "b", "ec-p256").await;

    for _ in 0..2 {
        assert_eq!(world.ask("POST", "/v1/keys/a/release", "").await.status, 204);
    }
    assert_eq!(world.ask("GET", "/v1/keys/a", "").await.text("state"), "released");
    let sign = json!({ "digest": STANDARD.encode([7; 32]) });
    assert_eq!(refusal(&post(&world, "keys/a/sign", sign.clone()).await), (409, "key_released".to_owned()));
    assert_eq!(post(&world, "keys/b/restore", json!({ "id": id })).await.status, 404);
    assert_eq!(post(&world, "keys/a/restore", json!({ "id": "0" })).await.status, 400);
    let restored = post(&world, "keys/a/restore", json!({ "id": id })).await;
    assert_eq!((restored.status, restored.text("state").as_str()), (200, "active"));
    assert_eq!(post(&world, "keys/a/sign", sign).await.status, 200);

    assert_eq!(world.ask("DELETE", "/v1/keys/a", "").await.status, 204);
    assert_eq!(refusal(&world.ask("DELETE", "/v1/keys/a", "").await), (404, "key_not_found".to_owned()));
}

#[tokio::test]
async fn same_idempotency_key_gives_the_same_key() {
    let world = World::open().await;
    let first = create_once(&world, "one", "a", "ec-p256").await;
    let again = create_once(&world, "one", "a", "ec-p256").await;

    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    for (idempotency, name, status) in [("one", "b", 400), ("two", "a", 409), ("two", "b", 201)] {
        let answer = create_once(&world, idempotency, name, "ec-p256").await;
        assert_eq!(answer.status, status, "{idempotency} {name}: {}", answer.body);
    }
    let (one, other) = tokio::join!(
        create_once(&world, "three", "c", "ec-p256"),
        create_once(&world, "three", "c", "ec-p256")
    );
    assert_eq!((one.status, one.json()), (201, other.json()));
    assert_eq!(create_once(&world, &"x".repeat(256), "d", "ec-p256").await.status, 400);
}

#[tokio::test]
async fn every_item_of_a_batch_has_an_outcome_and_an_event() {
    let world = World::open().await;
    create(&world, "a", "ec-p256").await;
    create(&world, "b", "rsa-2048").await;
    let digest = STANDARD.encode([7; 32]);
    let before = world.events().len();

    let answer = post(
        &world,
        "sign",
        json!({ "items": [
            { "key": "a", "digest": digest },
            { "key": "nobody", "digest": digest },
            { "key": "b", "message": digest, "scheme": "RS256", "format": "jws" },
            { "key": "a", "digest": "?" },
            { "key": "a", "digest": digest, "scheme": "ES384" },
            7,
        ] }),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let results = answer.json()["results"].as_array().unwrap().clone();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 404, 200, 400, 400, 400], "{results:?}");
    assert_eq!((&results[2]["format"], &results[1]["code"]), (&json!("jws"), &json!("key_not_found")));
    assert_eq!(world.events().len() - before, 6);

    for wrong in [json!({}), json!({ "items": [] }), json!({ "items": vec![json!({}); 101] })] {
        assert_eq!(refusal(&post(&world, "sign", wrong).await), (400, "invalid_request".to_owned()));
    }
}

#[tokio::test]
async fn private_key_is_taken_over_where_its_halves_fit() {
    let world = World::open().await;
    let jwk = |x: &str| {
        json!({ "private_jwk": {
            "kty": "EC", "crv": "P-256", "x": x, "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        } })
    };
    // RFC 7517, appendix A.2.
    let imported = post(&world, "keys/a/import", jwk("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4")).await;
    assert_eq!(imported.status, 201, "{}", imported.body);
    assert_eq!(imported.json()["public_key"]["jwk"]["x"], "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4");

    let wrong = post(&world, "keys/b/import", jwk("NKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4")).await;
    assert_eq!(refusal(&wrong), (400, "invalid_request".to_owned()));
    assert_eq!(post(&world, "keys/b/import", json!({})).await.status, 400);
}

#[tokio::test]
async fn registering_needs_the_right_the_grant_and_a_custodian_with_keys_of_others() {
    let world = World::open().await;
    let register = async |token: &str, object: &str| {
        let body = json!({ "object": object }).to_string();
        refusal(&world.ask_as(token, "POST", "/v1/keys/x509-a/register", &body).await)
    };

    assert_eq!(register("narrow-token", "id:0a").await, (403, "forbidden".to_owned()));
    assert_eq!(register("acme-token", "label:ca").await, (403, "forbidden".to_owned()));
    assert_eq!(register("acme-token", "").await, (400, "invalid_request".to_owned()));
    // The embedded token has no keys but those that were made through it.
    assert_eq!(register("acme-token", "id:0a").await, (422, "unsupported".to_owned()));
    assert_eq!(world.ask("GET", "/v1/keys/x509-a/register", "").await.status, 405);
}

#[tokio::test]
async fn other_tenants_keys_do_not_exist_in_any_endpoint() {
    let world = World::open().await;
    let id = create(&world, "a", "ec-p256").await.text("id");
    let digest = STANDARD.encode([7; 32]);
    let sign = json!({ "digest": digest }).to_string();
    let verify = json!({ "digest": digest, "signature": digest }).to_string();
    let restore = json!({ "id": id }).to_string();

    for (method, path, body) in [
        ("GET", "", ""),
        ("DELETE", "", ""),
        ("POST", "/release", ""),
        ("POST", "/restore", restore.as_str()),
        ("POST", "/sign", sign.as_str()),
        ("POST", "/verify", verify.as_str()),
    ] {
        let foreign = world.ask_as("globex-token", method, &format!("/v1/keys/a{path}"), body).await;
        assert_eq!(refusal(&foreign), (404, "key_not_found".to_owned()), "{method} {path}");
    }
    assert!(names(&world.ask_as("globex-token", "GET", "/v1/keys", "").await.json()).is_empty());
    assert_eq!(world.ask("GET", "/v1/keys/a", "").await.text("state"), "active");
}

#[tokio::test]
async fn caller_sees_and_uses_only_what_its_rights_cover() {
    let world = World::open().await;
    create(&world, "x509-a", "ec-p256").await;
    create(&world, "jwt-a", "ec-p256").await;
    let sign = json!({ "digest": STANDARD.encode([7; 32]) }).to_string();

    for (method, path, status) in [
        ("GET", "x509-a", 200),
        ("GET", "jwt-a", 403),
        ("POST", "x509-a/sign", 200),
        ("POST", "jwt-a/sign", 403),
        ("DELETE", "x509-a", 403),
        ("POST", "x509-a/release", 403),
    ] {
        let answer = world.ask_as("narrow-token", method, &format!("/v1/keys/{path}"), &sign).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
    assert_eq!(names(&world.ask_as("narrow-token", "GET", "/v1/keys", "").await.json()), ["x509-a"]);
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let world = World::open().await;

    for (method, path) in [("GET", "keys"), ("POST", "sign"), ("GET", "providers"), ("GET", "nothing/here")] {
        let answer = world.ask_as("wrong", method, &format!("/v1/{path}"), "").await;
        assert_eq!(refusal(&answer), (401, "unauthenticated".to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn providers_say_what_they_can_do_and_how_they_are() {
    let world = World::open().await;
    let unknown = world.ask("GET", "/v1/providers", "").await.json();
    assert_eq!((&unknown[0]["ok"], &unknown[0]["latencyMs"]), (&json!(false), &Value::Null));

    world.gateway.probe().await;
    let providers = world.ask("GET", "/v1/providers", "").await.json();
    let soft = &providers[0];
    assert_eq!(
        (&soft["providerId"], &soft["ok"], &soft["error"]),
        (&json!("soft"), &json!(true), &Value::Null)
    );
    assert!(soft["latencyMs"].is_u64());
    assert!(soft["keyTypes"]["ec-p256"].as_array().unwrap().contains(&json!("ecdsa-sha256")), "{soft}");
}

#[tokio::test]
async fn absurd_names_are_refused_or_not_found() {
    let world = World::open().await;

    for (name, status) in [
        ("%00", 400),
        ("%", 400),
        ("%ff", 400),
        ("%2e%2e", 400),
        ("%2F", 404),
        ("%F0%9F%94%91", 404),
        (&"x".repeat(1000), 400),
    ] {
        let answer = world.ask("GET", &format!("/v1/keys/{name}"), "").await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
    }
}
