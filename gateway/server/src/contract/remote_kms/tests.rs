//! Contract `remote_kms` over a whole gateway: what its client sends, and what it must never get.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::testing::{Answered, World};

async fn create(world: &World, kid: &str, alg: &str) -> Answered {
    world.ask("POST", "/remote-kms/keys", &json!({ "kid": kid, "alg": alg }).to_string()).await
}

fn sign_body(alg: &str) -> String {
    json!({ "data": STANDARD.encode(MESSAGE), "alg": alg }).to_string()
}

async fn sign(world: &World, kid: &str, alg: &str) -> Answered {
    world.ask("POST", &format!("/remote-kms/keys/{kid}/sign"), &sign_body(alg)).await
}

async fn import(world: &World, kid: &str, jwk: &Value) -> Answered {
    let body = json!({ "privateJwk": jwk, "alg": "ES256" }).to_string();
    world.ask("POST", &format!("/remote-kms/keys/{kid}/import"), &body).await
}

fn member(jwk: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap()
}

fn public_jwk(created: &Answered) -> Value {
    assert_eq!(created.status, 200, "{}", created.body);
    created.json()["publicJwk"].clone()
}

fn signature(signed: &Answered) -> Vec<u8> {
    assert_eq!(signed.status, 200, "{}", signed.body);
    URL_SAFE_NO_PAD.decode(signed.text("signature")).unwrap()
}

fn point(jwk: &Value) -> Vec<u8> {
    [&[4][..], &member(jwk, "x"), &member(jwk, "y")].concat()
}

/// RFC 7515, appendix A.3.1.
fn private_jwk() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

#[tokio::test]
async fn a_key_is_created_as_the_client_asks_for_it() {
    let world = World::open().await;
    let created = world.ask("POST", "/remote-kms/keys", r#"{"kid":"4be1f0a2-active","alg":"ES256"}"#).await;

    let jwk = public_jwk(&created);
    let names: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "x", "y"], "and nothing that Web Cryptography dislikes");
    assert_eq!(
        [&jwk["kty"], &jwk["crv"], &jwk["kid"], &jwk["alg"]],
        [&json!("EC"), &json!("P-256"), &json!("4be1f0a2-active"), &json!("ES256")]
    );

    let usual = world.ask("POST", "/remote-kms/keys", r#"{"kid":"b"}"#).await;
    assert_eq!(public_jwk(&usual)["alg"], "ES256");
}

#[tokio::test]
async fn elliptic_curve_signatures_are_r_and_s() {
    let world = World::open().await;
    let suites: [(_, _, &'static dyn VerificationAlgorithm); 3] = [
        ("ES256", 86, &ECDSA_P256_SHA256_FIXED),
        ("ES384", 128, &ECDSA_P384_SHA384_FIXED),
        ("ES512", 176, &ECDSA_P521_SHA512_FIXED),
    ];

    for (alg, length, verifier) in suites {
        let jwk = public_jwk(&create(&world, alg, alg).await);
        let signed = sign(&world, alg, alg).await;
        assert_eq!(signed.text("signature").len(), length, "{alg}");

        let public = UnparsedPublicKey::new(verifier, point(&jwk));
        assert!(public.verify(MESSAGE, &signature(&signed)).is_ok(), "{alg}");
        assert!(public.verify(b"another", &signature(&signed)).is_err(), "{alg}");
    }
}

#[tokio::test]
async fn ed25519_signs_the_message_itself() {
    let world = World::open().await;
    let jwk = public_jwk(&create(&world, "a", "EdDSA").await);
    assert_eq!([&jwk["kty"], &jwk["crv"], &jwk["alg"]], ["OKP", "Ed25519", "EdDSA"]);

    let public = UnparsedPublicKey::new(&ED25519, member(&jwk, "x"));
    assert!(public.verify(MESSAGE, &signature(&sign(&world, "a", "EdDSA").await)).is_ok());
}

#[tokio::test]
async fn an_rsa_key_signs_with_every_rsa_algorithm() {
    let world = World::open().await;
    let jwk = public_jwk(&create(&world, "a", "PS256").await);
    assert_eq!([&jwk["kty"], &jwk["e"], &jwk["alg"]], ["RSA", "AQAB", "PS256"]);
    let suites: [(_, &'static RsaParameters); 4] = [
        ("RS256", &RSA_PKCS1_2048_8192_SHA256),
        ("RS512", &RSA_PKCS1_2048_8192_SHA512),
        ("PS256", &RSA_PSS_2048_8192_SHA256),
        ("PS384", &RSA_PSS_2048_8192_SHA384),
    ];

    for (alg, verifier) in suites {
        let signed = signature(&sign(&world, "a", alg).await);
        let public = RsaPublicKeyComponents { n: member(&jwk, "n"), e: member(&jwk, "e") };
        assert!(public.verify(verifier, MESSAGE, &signed).is_ok(), "{alg}");
    }
}

#[tokio::test]
async fn an_algorithm_that_does_not_fit_the_key_is_refused() {
    let world = World::open().await;
    create(&world, "p384", "ES384").await;

    for alg in ["ES256", "ES512", "RS256", "EdDSA", "HS256", "none"] {
        let answer = sign(&world, "p384", alg).await;
        assert_eq!(answer.status, 400, "{alg}");
        assert!(answer.text("error").starts_with("Unsupported algorithm: "), "{}", answer.body);
    }
    let answer = world.ask("POST", "/remote-kms/keys/p384/sign", r#"{"data":"AA=="}"#).await;
    assert_eq!(answer.status, 400, "it is ES256 that is meant");
    assert_eq!(create(&world, "k1", "ES256K").await.status, 400, "the provider has no such keys");
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict_for_create_and_import() {
    let world = World::open().await;
    let first = public_jwk(&create(&world, "a", "ES256").await);

    assert_eq!(create(&world, "a", "ES256").await.status, 409);
    assert_eq!(import(&world, "a", &private_jwk()).await.status, 409);
    let signed = signature(&sign(&world, "a", "ES256").await);
    assert!(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(&first)).verify(MESSAGE, &signed).is_ok());
}

#[tokio::test]
async fn an_imported_key_signs() {
    let world = World::open().await;
    let imported = import(&world, "imp-1", &private_jwk()).await;
    let jwk = public_jwk(&imported);

    assert_eq!([&jwk["x"], &jwk["y"]], [&private_jwk()["x"], &private_jwk()["y"]]);
    assert_eq!([&jwk["kid"], &jwk["alg"]], ["imp-1", "ES256"]);
    assert!(jwk.get("d").is_none());
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(&jwk));
    assert!(public.verify(MESSAGE, &signature(&sign(&world, "imp-1", "ES256").await)).is_ok());

    let events = world.events();
    let imported = events.iter().find(|event| event["operation"] == "import").unwrap();
    assert_eq!((&imported["outcome"], &imported["key"]), (&json!("ok"), &json!("imp-1")));
    let private = private_jwk()["d"].as_str().unwrap().to_owned();
    assert!(events.iter().all(|event| !event.to_string().contains(&private)));
}

#[tokio::test]
async fn a_private_key_that_cannot_be_used_is_refused_with_the_member_named() {
    let world = World::open().await;

    for (member, value, named) in [
        ("crv", json!("P-384"), "`x`"),
        ("kid", json!("another"), "`kid`"),
        ("use", json!("enc"), "`use`"),
        ("key_ops", json!(["verify"]), "`key_ops`"),
        ("alg", json!("ES384"), "`alg`"),
        ("oth", json!([]), "`oth`"),
        ("d", json!("AQAB"), "`d`"),
    ] {
        let mut jwk = private_jwk();
        jwk[member] = value;
        let answer = import(&world, "imp-1", &jwk).await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.body);
        assert!(answer.text("error").contains(named), "{member}: {}", answer.body);
    }
    // Of the right lengths, but no point of the curve; and a private half of another key.
    let elsewhere = URL_SAFE_NO_PAD.encode([7; 32]);
    for member in ["x", "y", "d"] {
        let mut jwk = private_jwk();
        jwk[member] = json!(elsewhere);
        let answer = import(&world, "imp-1", &jwk).await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.body);
        assert!(answer.text("error").starts_with("privateJwk: "), "{}", answer.body);
    }
    assert_eq!(sign(&world, "imp-1", "ES256").await.status, 404);
}

#[tokio::test]
async fn a_deleted_key_signs_no_more_and_deleting_is_always_done() {
    let world = World::open().await;
    create(&world, "a/b", "ES256").await;

    for kid in ["a%2Fb", "a%2Fb", "never-was"] {
        let deleted = world.ask("DELETE", &format!("/remote-kms/keys/{kid}"), "").await;
        assert_eq!((deleted.status, deleted.body.as_str()), (204, ""), "{kid}");
    }
    let signed = sign(&world, "a%2Fb", "ES256").await;
    assert!(matches!(signed.status, 404 | 409), "{}", signed.body);
    assert_eq!(create(&world, "a/b", "ES256").await.status, 200, "the name is free");

    let events = world.events();
    assert_eq!(events.iter().filter(|event| event["operation"] == "delete").count(), 3, "{events:?}");
}

#[tokio::test]
async fn errors_are_in_the_words_that_clients_know() {
    let world = World::open().await;
    create(&world, "a", "ES256").await;

    for (method, path, body, status, text) in [
        ("POST", "keys", "{", 400, "body: is not JSON: EOF while parsing an object at line 1 column 1"),
        ("POST", "keys", "{}", 400, "kid is required"),
        ("POST", "keys", r#"{"kid":"a","alg":"RS1"}"#, 400, "Unsupported algorithm: RS1"),
        ("POST", "keys", r#"{"kid":"a"}"#, 409, "a key of that name exists"),
        ("POST", "keys/a/sign", "{}", 400, "data is required"),
        ("POST", "keys/a/sign", r#"{"data":"%%"}"#, 400, "data must be valid Base64"),
        ("POST", "keys/ns%2Fb/sign", r#"{"data":"AA=="}"#, 404, "Key not found: ns/b"),
        ("POST", "keys/%00/sign", r#"{"data":"AA=="}"#, 400, "kid must not contain control characters"),
        ("GET", "keys", "", 405, "method: must be one of POST"),
        ("GET", "keys/a", "", 405, "method: must be one of DELETE"),
        ("POST", "health", "", 405, "method: must be one of GET"),
        ("GET", "keys/a/public", "", 404, "path: there is nothing here"),
    ] {
        let answer = world.ask(method, &format!("/remote-kms/{path}"), body).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": text })), "{method} {path}");
    }
    let stranger = world.ask_as("wrong", "POST", "/remote-kms/keys/a/sign", &sign_body("ES256")).await;
    assert_eq!((stranger.status, stranger.json()), (401, json!({ "error": "Unauthorized" })));
}

#[tokio::test]
async fn other_tenants_keys_do_not_exist() {
    let world = World::open().await;
    create(&world, "a", "ES256").await;
    let body = sign_body("ES256");

    let foreign = world.ask_as("globex-token", "POST", "/remote-kms/keys/a/sign", &body).await;
    assert_eq!((foreign.status, foreign.json()), (404, json!({ "error": "Key not found: a" })));
    let deleted = world.ask_as("globex-token", "DELETE", "/remote-kms/keys/a", "").await;
    assert_eq!(deleted.status, 204);
    assert_eq!(sign(&world, "a", "ES256").await.status, 200, "it is still there");
}

#[tokio::test]
async fn a_caller_does_no_more_than_its_rights_say() {
    let world = World::open().await;
    create(&world, "x509-a", "ES256").await;
    let as_narrow = async |method: &str, path: &str, body: &str| {
        world.ask_as("narrow-token", method, &format!("/remote-kms/{path}"), body).await.status
    };

    assert_eq!(as_narrow("POST", "keys/x509-a/sign", &sign_body("ES256")).await, 200);
    assert_eq!(as_narrow("POST", "keys", r#"{"kid":"x509-b"}"#).await, 403);
    assert_eq!(as_narrow("DELETE", "keys/x509-a", "").await, 403);
    let body = json!({ "privateJwk": private_jwk() }).to_string();
    assert_eq!(as_narrow("POST", "keys/x509-b/import", &body).await, 403);
}

#[tokio::test]
async fn health_counts_the_callers_keys_and_is_503_where_nothing_can_be_signed() {
    let world = World::open().await;
    world.gateway.probe().await;
    for kid in ["a", "b", "c"] {
        create(&world, kid, "ES256").await;
    }
    world.ask("DELETE", "/remote-kms/keys/c", "").await;

    let health = world.ask("GET", "/remote-kms/health", "").await;
    assert_eq!((health.status, health.json()), (200, json!({ "ok": true, "keyCount": 2 })));
    let foreign = world.ask_as("globex-token", "GET", "/remote-kms/health", "").await;
    assert_eq!(foreign.json(), json!({ "ok": true, "keyCount": 0 }));
    assert_eq!(world.ask_as("wrong", "GET", "/remote-kms/health", "").await.status, 401);

    world.close_audit().await;
    sign(&world, "a", "ES256").await;
    assert_eq!(world.ask("GET", "/remote-kms/health", "").await.status, 503);
}

#[tokio::test]
async fn a_token_may_come_as_an_api_key() {
    let world = World::open().await;
    let ask = async |header: &str| {
        let head = format!("GET /remote-kms/health HTTP/1.1\r\nHost: gateway\r\n{header}\r\n");
        world.exchange(format!("{head}Connection: close\r\n\r\n")).await.status
    };

    assert_eq!(ask("x-api-key: acme-token").await, 200);
    assert_eq!(ask("x-api-key: wrong").await, 401);
    assert_eq!(ask("Accept: application/json").await, 401);
}

#[tokio::test]
async fn a_body_beyond_any_legitimate_one_is_refused() {
    let world = World::open().await;
    create(&world, "a", "ES256").await;
    let of = |bytes: usize| json!({ "data": STANDARD.encode(vec![7; bytes]) }).to_string();

    let long = world.ask("POST", "/remote-kms/keys/a/sign", &of(500_000)).await;
    assert_eq!(long.status, 200, "{}", long.body);
    assert_eq!(world.ask("POST", "/remote-kms/keys/a/sign", &of(1_000_000)).await.status, 413);
    let kid = "a".repeat(70_000);
    assert_eq!(create(&world, &kid, "ES256").await.status, 413);
}

const MESSAGE: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UifQ";
