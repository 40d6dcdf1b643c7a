//! What is read from bodies and paths, and what is refused.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use keyport_core::gateway::{How, Source};
use keyport_core::input::Input;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn name() -> KeyName {
    key_name("name", "a").unwrap()
}

#[test]
fn create_is_read_field_by_field() {
    let request = create(br#"{"name":"a","type":"rsa-2048","provider":"soft"}"#).unwrap();
    assert_eq!((request.name, request.provider), (name(), Some("soft".parse().unwrap())));
    assert!(matches!(request.source, Source::Generate(KeyType::Rsa2048)));
    assert!(!request.digest_as_message);
    let taking = br#"{"name":"a","type":"ed25519","digests":"as-message"}"#;
    assert!(create(taking).unwrap().digest_as_message);

    for (body, field) in [
        (r#"{"type":"ec-p256"}"#, "name"),
        (r#"{"name":"","type":"ec-p256"}"#, "name"),
        (r#"{"name":"..","type":"ec-p256"}"#, "name"),
        (r#"{"name":"a\u0000","type":"ec-p256"}"#, "name"),
        (r#"{"name":"a"}"#, "type"),
        (r#"{"name":"a","type":"EC-P256"}"#, "type"),
        (r#"{"name":"a","type":"ec-p256","provider":"A/B"}"#, "provider"),
        (r#"{"name":"a","type":"ed25519","digests":"as-messages"}"#, "digests"),
        (r#"{"name":"a","type":"ed25519","digests":true}"#, "digests"),
        (r#"{"name":"a","type":"ec-p256","provder":"a"}"#, "body"),
        (r#"["a","ec-p256"]"#, "body"),
        ("{", "body"),
        ("", "body"),
    ] {
        let error = create(body.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{field}: ")), "{body} {error}");
    }
}

#[test]
fn register_takes_the_custodians_own_name() {
    let request = register(name(), br#"{"object":"label:ca 2024","provider":"hsm"}"#).unwrap();
    assert_eq!((request.object.as_str(), request.provider), ("label:ca 2024", Some("hsm".parse().unwrap())));

    let long = format!(r#"{{"object":"{}"}}"#, "a".repeat(1025));
    for body in ["{}", r#"{"object":""}"#, r#"{"object":1}"#, r#"{"object":"a\u0000"}"#, long.as_str()] {
        let error = register(name(), body.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("object: "), "{body} {error}");
    }
}

#[test]
fn digest_without_a_scheme_has_the_hash_of_its_length() {
    for hash in Hash::ALL {
        let body = json!({ "digest": STANDARD.encode(vec![7; hash.digest_len()]) }).to_string();
        let signing = sign(name(), body.as_bytes()).unwrap();

        assert_eq!((signing.request.how, signing.format), (How::Usual, Format::Der));
        let Input::Digest(digest) = signing.request.input else { panic!("a digest") };
        assert_eq!(digest.hash(), hash);
    }
}

#[test]
fn ed25519_takes_a_message_of_any_length_and_a_digest_of_one() {
    for (field, length, is_right) in
        [("message", 64, true), ("message", 1, true), ("digest", 64, true), ("digest", 32, false)]
    {
        let body = json!({ field: STANDARD.encode(vec![7; length]), "scheme": "ed25519" }).to_string();

        let read = sign(name(), body.as_bytes());
        assert_eq!(read.is_ok(), is_right, "{field} {length}");
        // What it is stays what the caller said; the key decides.
        let is_digest = read.is_ok_and(|read| matches!(read.request.input, Input::Digest(_)));
        assert_eq!(is_digest, is_right && field == "digest");
    }
    let body = json!({ "digest": STANDARD.encode([7; 64]), "scheme": "ed25519ph" }).to_string();
    assert_eq!(sign(name(), body.as_bytes()).unwrap().request.how, How::Scheme(Scheme::Ed25519ph));
}

#[test]
fn private_key_is_not_repeated_to_whoever_sent_it() {
    for body in [
        r#"{"private_jwk":"hunter2"}"#,
        r#"{"private_jwk":{"kty":"EC","crv":"P-256","d":"hunter2"}}"#,
        r#"{"private_jwk":{"kty":"EC","hunter":"hunter2"}}"#,
        r#"{"private_jwk":{"kty":["hunter2"]}}"#,
    ] {
        let error = import(name(), body.into()).unwrap_err();
        assert!(!error.detail().contains("hunter2"), "{body} {error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(body: Vec<u8>) {
        drop(create(&body));
        drop(sign(name(), &body));
        drop(verify(name(), &body));
        drop(restore(&body));
        drop(import(name(), body));
    }

    #[test]
    fn arbitrary_fields_never_panic(digest: String, message: Option<String>, scheme: Option<String>, format: String) {
        let body = json!({ "digest": digest, "message": message, "scheme": scheme, "format": format });
        drop(sign(name(), body.to_string().as_bytes()));
    }

    #[test]
    fn any_base64_is_read(bytes: Vec<u8>) {
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            prop_assert_eq!(base64("digest", &engine.encode(&bytes)).unwrap(), bytes.clone());
        }
    }

    #[test]
    fn name_goes_into_a_path_and_back(text in "[^\\p{Cc}]{1,60}") {
        prop_assume!(text != "." && text != "..");
        let segment = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();

        let name = name_in_path(&segment).unwrap();
        prop_assert_eq!(name.as_str(), text);
    }
}
