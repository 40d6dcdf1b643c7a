//! Private keys in every shape they should have, and in those they should not.

use keyport_core::scheme::Hash;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::json::{Object, object};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    jwk: Object<PrivateJwk<'a>>,
}

/// RFC 7515, appendix A.3.1.
fn p256() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// RFC 8037, appendix A.1.
fn ed25519() -> Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

fn rsa() -> Value {
    let bytes = |first: u8, length: usize| {
        let mut bytes = vec![1; length];
        bytes[0] = first;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    json!({
        "kty": "RSA", "n": bytes(0x80, 256), "e": "AQAB", "d": bytes(1, 256), "p": bytes(1, 128), "q": bytes(1, 128),
        "dp": bytes(1, 128), "dq": bytes(1, 128), "qi": bytes(1, 128),
    })
}

fn with(mut jwk: Value, members: &[(&str, Value)]) -> Value {
    for (name, value) in members {
        jwk[*name] = value.clone();
    }
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member);
    jwk
}

fn read(jwk: &Value, algorithm: Option<Algorithm>) -> Result<(Material, Algorithm), String> {
    read_text(&json!({ "jwk": jwk }).to_string(), algorithm)
}

fn read_text(body: &str, algorithm: Option<Algorithm>) -> Result<(Material, Algorithm), String> {
    let read = || {
        let Body { jwk } = object(body.as_bytes())?;
        jwk.fields("jwk")?.material("jwk", "a", algorithm)
    };
    read().map_err(|error| error.to_string())
}

fn wrong(jwk: &Value) -> String {
    read(jwk, None).map(|_| "it was accepted").unwrap_err()
}

#[test]
fn an_elliptic_curve_key_is_taken_apart() {
    let (material, algorithm) = read(&p256(), None).unwrap();

    let Material::Ec { key_type, scalar, point } = material else { panic!("{material:?}") };
    assert_eq!((key_type, algorithm), (KeyType::EcP256, Algorithm::Es256));
    assert_eq!((scalar.expose().len(), point.len(), point[0]), (32, 65, 4));
    assert_eq!(URL_SAFE_NO_PAD.encode(scalar.expose()), p256()["d"]);
    assert_eq!(URL_SAFE_NO_PAD.encode(&point[33..]), p256()["y"]);
}

#[test]
fn an_ed25519_key_is_taken_apart() {
    let (material, algorithm) = read(&ed25519(), Some(Algorithm::EdDsa)).unwrap();

    let Material::Ed25519 { seed, public } = material else { panic!("{material:?}") };
    assert_eq!(algorithm, Algorithm::EdDsa);
    assert_eq!(URL_SAFE_NO_PAD.encode(seed.expose()), ed25519()["d"]);
    assert_eq!(URL_SAFE_NO_PAD.encode(public), ed25519()["x"]);
}

#[test]
fn an_rsa_key_is_taken_apart() {
    let (material, algorithm) = read(&rsa(), Some(Algorithm::Ps(Hash::Sha384))).unwrap();

    assert_eq!((material.key_type(), algorithm), (KeyType::Rsa2048, Algorithm::Ps(Hash::Sha384)));
    assert_eq!(read(&rsa(), None).unwrap().1, Algorithm::Rs(Hash::Sha256));
}

#[test]
fn what_says_no_more_than_it_should_is_accepted() {
    for members in [
        vec![("kid", json!("a"))],
        vec![("use", json!("sig")), ("alg", json!("ES256"))],
        vec![("key_ops", json!(["sign"])), ("ext", json!(true))],
        vec![("key_ops", json!(["verify", "sign"]))],
    ] {
        assert!(read(&with(p256(), &members), None).is_ok(), "{members:?}");
    }
}

#[test]
fn a_member_that_restricts_the_key_or_is_not_known_is_named() {
    for (member, value, reason) in [
        ("kid", json!("b"), "jwk: `kid` is not what the key is to be called"),
        ("use", json!("enc"), "jwk: `use` must be sig"),
        ("use", json!(["sig"]), "jwk: `use` must be a string, not an array"),
        ("key_ops", json!("sign"), "jwk: `key_ops` must be a list"),
        ("key_ops", json!([]), "jwk: `key_ops` must hold sign"),
        ("key_ops", json!(["verify"]), "jwk: `key_ops` must hold sign"),
        ("key_ops", json!(["sign", "deriveKey"]), "jwk: `key_ops` must hold nothing but sign and verify"),
        ("key_ops", json!([1]), "jwk: `key_ops` must be a string, not a number"),
        ("alg", json!("ES384"), "jwk: `alg` ES384 does not fit a key of type ec-p256"),
        ("alg", json!("HS256"), "jwk: `alg` is not supported"),
        ("n", json!("AQAB"), "jwk: `n` is no member of a key of type EC"),
        ("qi", json!("AQAB"), "jwk: `qi` is no member of a key of type EC"),
        ("k", json!("AQAB"), "body: unknown field `k`"),
        ("oth", json!([]), "body: unknown field `oth`"),
        ("exp", json!(1), "body: unknown field `exp`"),
    ] {
        let reported = wrong(&with(p256(), &[(member, value.clone())]));
        assert!(reported.starts_with(reason), "{member} {value}: {reported}");
    }
    assert_eq!(
        read(&with(p256(), &[("alg", json!("ES256"))]), Some(Algorithm::EdDsa)).unwrap_err(),
        "jwk: `alg` is not the algorithm asked for"
    );
}

#[test]
fn a_key_of_the_wrong_shape_is_refused() {
    for (jwk, reason) in [
        (without(p256(), "kty"), "jwk: `kty` is missing"),
        (without(p256(), "d"), "jwk: `d` is missing"),
        (without(p256(), "y"), "jwk: `y` is missing"),
        (with(p256(), &[("kty", json!("oct"))]), "jwk: `kty` must be EC, OKP or RSA"),
        (with(p256(), &[("kty", json!("OKP"))]), "jwk: `y` is no member of a key of type OKP"),
        (with(p256(), &[("crv", json!("P-384"))]), "jwk: `x` must have 48 bytes"),
        (with(p256(), &[("crv", json!("Ed25519"))]), "jwk: `crv` must be P-256"),
        (with(p256(), &[("d", json!("AQAB"))]), "jwk: `d` must have 32 bytes"),
        (with(p256(), &[("d", json!("A".repeat(64)))]), "jwk: `d` must have 1 to 32 bytes"),
        (with(p256(), &[("d", json!("+".repeat(43)))]), "jwk: `d` is not base64url without padding"),
        (with(p256(), &[("d", json!("A".repeat(43) + "="))]), "jwk: `d` is not base64url without padding"),
        (with(p256(), &[("d", json!(7))]), "jwk: `d` must be a string, not a number"),
        (with(p256(), &[("d", json!(null))]), "jwk: `d` must be a string, not null"),
        (with(ed25519(), &[("crv", json!("X25519"))]), "jwk: `crv` must be Ed25519"),
        (with(ed25519(), &[("x", json!("AQAB"))]), "jwk: `x` must have 32 bytes"),
        (without(rsa(), "p"), "jwk: `p` is missing"),
        (with(rsa(), &[("n", json!("AQAB"))]), "jwk: `n` must have 2048, 3072 or 4096 bits"),
        (with(rsa(), &[("crv", json!("P-256"))]), "jwk: `crv` is no member of a key of type RSA"),
        (json!("-----BEGIN PRIVATE KEY-----"), "jwk: must be an object, not a string"),
        (json!([1]), "jwk: must be an object, not an array"),
        (Value::Null, "jwk: must be an object, not null"),
    ] {
        let reported = wrong(&jwk);
        assert!(reported.starts_with(reason), "{jwk}: {reported}");
    }
    assert_eq!(read_text("{}", None).map(|_| ()).unwrap_err(), "jwk: is missing");
}

#[test]
fn a_private_value_with_escapes_is_refused_because_unescaping_copies_it() {
    let body = json!({ "jwk": p256() }).to_string().replace("\"jps", "\"\\u006aps");

    assert_eq!(read_text(&body, None).unwrap_err(), "jwk: `d` is not base64url without padding");
}

#[test]
fn what_is_wrong_never_repeats_what_is_private() {
    let private = p256()["d"].as_str().unwrap().to_owned();

    for member in ["kty", "crv", "x", "y", "d", "kid", "alg", "use", "key_ops"] {
        let error = wrong(&with(without(p256(), "d"), &[(member, json!(private.clone() + "!"))]));
        assert!(!error.contains(&private), "{member}: {error}");
    }
    assert!(!wrong(&json!(private)).contains(&private));
    assert!(!format!("{:?}", read(&p256(), None).unwrap()).contains(&private));
}

proptest! {
    #[test]
    fn keys_of_any_shape_never_panic(
        members in proptest::collection::btree_map(
            prop::sample::select(vec!["kty", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi", "alg", "use", "key_ops", "kid"]),
            prop_oneof![
                "[A-Za-z0-9_-]{0,90}".prop_map(Value::String),
                prop::sample::select(vec!["EC", "OKP", "RSA", "P-256", "Ed25519", "sig"]).prop_map(|text| json!(text)),
                Just(Value::Null),
                Just(json!(["sign"])),
            ],
            0..9,
        )
    ) {
        let _read = read(&json!(members), None);
    }

    #[test]
    fn arbitrary_text_never_panics(text: String) {
        let _read = read_text(&text, None);
    }
}
