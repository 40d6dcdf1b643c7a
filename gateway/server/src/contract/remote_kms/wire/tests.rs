//! Bodies and paths of `remote_kms`, as clients and as nobody would write them.

use keyport_core::gateway::How;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use proptest::prelude::*;

use super::*;

fn parse_create(body: &str) -> Result<(CreateRequest, Algorithm), String> {
    create(body.as_bytes(), OnDuplicate::Conflict).map_err(|error| error.to_string())
}

fn parse_sign(body: &str) -> Result<SignRequest, String> {
    sign(name("a").unwrap(), body.as_bytes()).map_err(|error| error.to_string())
}

fn message_of(body: &str) -> Vec<u8> {
    match parse_sign(body).unwrap().input {
        Input::Message(message) => message.to_vec(),
        Input::Digest(_) => panic!("a digest"),
    }
}

#[test]
fn an_algorithm_makes_the_key_type_and_is_es256_where_none_is_named() {
    for (alg, key_type) in [
        (r#","alg":"ES256""#, KeyType::EcP256),
        (r#","alg":"ES384""#, KeyType::EcP384),
        (r#","alg":"ES512""#, KeyType::EcP521),
        (r#","alg":"EdDSA""#, KeyType::Ed25519),
        (r#","alg":"RS256""#, KeyType::Rsa2048),
        (r#","alg":"PS512""#, KeyType::Rsa2048),
        ("", KeyType::EcP256),
    ] {
        let (request, _) = parse_create(&format!(r#"{{"kid":"a"{alg}}}"#)).unwrap();
        assert_eq!(request.source.key_type(), key_type, "{alg}");
    }
}

#[test]
fn what_is_wrong_with_a_create_is_told_by_field() {
    for (body, error) in [
        ("", "body: must be a JSON object"),
        ("[\"a\"]", "body: must be a JSON object"),
        ("{}", "kid: is required"),
        (r#"{"kid":""}"#, "kid: is required"),
        (r#"{"kid":7}"#, "kid: must be a string, not a number"),
        (r#"{"kid":null}"#, "kid: must be a string, not null"),
        (r#"{"kid":".."}"#, "kid: must not be . or .."),
        (r#"{"kid":"a\u0000"}"#, "kid: must not contain control characters"),
        (r#"{"kid":"a","alg":"none"}"#, "alg: none"),
        (r#"{"kid":"a","alg":"es256"}"#, "alg: es256"),
        (r#"{"kid":"a","alg":""}"#, "alg: "),
        (r#"{"kid":"a","alg":{}}"#, "alg: must be a string, not an object"),
    ] {
        assert_eq!(parse_create(body).map(|_| ()).unwrap_err(), error, "{body}");
    }
    let long = parse_create(&format!(r#"{{"kid":"a","alg":"{}"}}"#, "ä".repeat(1000)));
    assert_eq!(long.map(|_| ()).unwrap_err(), format!("alg: {}", "ä".repeat(32)));
}

#[test]
fn a_digest_in_the_place_of_data_is_as_long_as_its_algorithm_has_it() {
    let digest = |length: usize| STANDARD_IN.encode(vec![7; length]);
    for (alg, hash) in [("ES256", Hash::Sha256), ("ES512", Hash::Sha512), ("PS384", Hash::Sha384)] {
        let body = format!(r#"{{"digest":"{}","alg":"{alg}"}}"#, digest(hash.digest_len()));
        let Input::Digest(read) = parse_sign(&body).unwrap().input else { panic!("a message") };
        assert_eq!((read.hash(), read.bytes()[0]), (hash, 7), "{alg}");
    }

    for (body, error) in [
        (format!(r#"{{"digest":"{}"}}"#, digest(31)), "digest: has 31 bytes, sha-256 has 32"),
        (format!(r#"{{"digest":"{}","alg":"EdDSA"}}"#, digest(32)), "digest: EdDSA signs a message"),
        (format!(r#"{{"digest":"{}","data":"AA=="}}"#, digest(32)), "digest: stands in the place of data"),
        (r#"{"digest":"*"}"#.to_owned(), "digest: must be valid Base64"),
        (r#"{"digest":""}"#.to_owned(), "digest: has 0 bytes"),
        (r#"{"digest":7}"#.to_owned(), "digest: must be a string, not a number"),
    ] {
        let refused = parse_sign(&body).unwrap_err();
        assert!(refused.starts_with(error), "{body}: {refused}");
    }
}

#[test]
fn a_message_is_standard_base64_with_or_without_padding() {
    for (data, message) in [("aGVsbG8=", &b"hello"[..]), ("aGVsbG8", b"hello"), ("+/+/", &[0xfb, 0xff, 0xbf])]
    {
        assert_eq!(message_of(&format!(r#"{{"data":"{data}"}}"#)), message, "{data}");
    }
    for (data, error) in [
        ("", "data: is required"),
        ("aGVsbG8*", "data: must be valid Base64"),
        ("-_-_", "data: must be valid Base64"),
        ("a", "data: must be valid Base64"),
        ("aGVs bG8=", "data: must be valid Base64"),
    ] {
        let body = format!(r#"{{"data":"{data}"}}"#);
        assert_eq!(parse_sign(&body).unwrap_err(), error, "{data}");
    }
    assert_eq!(parse_sign(r#"{"alg":"ES256"}"#).unwrap_err(), "data: is required");
}

#[test]
fn a_signature_is_made_as_its_algorithm_says() {
    for (alg, scheme) in [("ES256", "ecdsa(sha-256)"), ("EdDSA", "ed25519"), ("PS384", "rsa-pss(sha-384)")] {
        let signing = parse_sign(&format!(r#"{{"data":"AA==","alg":"{alg}"}}"#)).unwrap();
        let (How::Scheme(asked) | How::Only(asked, _)) = signing.how else { panic!("{alg}") };
        assert_eq!(asked.as_str(), scheme);
    }
    let usual = parse_sign(r#"{"data":"AA=="}"#).unwrap();
    assert_eq!(usual.how, How::Only(Scheme::Ecdsa(Hash::Sha256), KeyType::EcP256));
}

#[test]
fn key_ids_in_paths_are_one_encoded_segment() {
    for (segment, id) in [
        ("4be1f0a2-4c3f-4d8b-9f0e-1f2a3b4c5d6e-active", "4be1f0a2-4c3f-4d8b-9f0e-1f2a3b4c5d6e-active"),
        ("ns%2Fwith%20slash%2Bplus", "ns/with slash+plus"),
        ("%C3%A4", "ä"),
    ] {
        assert_eq!(name(segment).unwrap().as_str(), id);
    }
    for segment in ["", "%", "%zz", "a%00b", "%ff", "%2e%2E", &"a".repeat(1000)] {
        assert!(name(segment).is_err(), "{segment}");
    }
}

#[test]
fn an_import_needs_a_private_key() {
    let import = |body: &str| {
        import(name("a").unwrap(), body.as_bytes(), OnDuplicate::Conflict)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };

    assert_eq!(import("{}"), "privateJwk: is missing");
    assert_eq!(import(r#"{"privateJwk":"x"}"#), "privateJwk: must be an object, not a string");
    assert_eq!(import(r#"{"privateJwk":{}}"#), "privateJwk: `kty` is missing");
    assert_eq!(import(r#"{"privateJwk":{},"alg":"HS256"}"#), "alg: HS256");
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(body: Vec<u8>) {
        let _parsed = create(&body, OnDuplicate::Conflict);
        let _parsed = sign(name("a").unwrap(), &body);
        let _parsed = import(name("a").unwrap(), &body, OnDuplicate::Conflict);
    }

    #[test]
    fn json_of_any_shape_never_panics(
        body in "\\{(\"(alg|data|kid|privateJwk)\":(\"[^\"]{0,9}\"|[0-9eE.+-]{1,5}|\\[\\{?|null),?){0,4}\\}?"
    ) {
        let _parsed = create(body.as_bytes(), OnDuplicate::Conflict);
        let _parsed = sign(name("a").unwrap(), body.as_bytes());
        let _parsed = import(name("a").unwrap(), body.as_bytes(), OnDuplicate::Conflict);
    }

    #[test]
    fn a_message_is_read_as_it_was(message in proptest::collection::vec(any::<u8>(), 1..200)) {
        let data = base64::engine::general_purpose::STANDARD.encode(&message);

        prop_assert_eq!(message_of(&format!(r#"{{"data":"{data}"}}"#)), message);
    }
}
