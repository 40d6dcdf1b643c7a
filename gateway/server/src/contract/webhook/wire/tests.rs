//! What is read from bodies and paths, what is refused, and what is written.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use proptest::prelude::*;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::*;

fn parse_create(body: &str) -> Result<CreateRequest, String> {
    create(body.as_bytes(), OnDuplicate::Replace).map_err(|error| error.to_string())
}

fn parse_sign(body: &str) -> Result<SignRequest, String> {
    sign(name("a").unwrap(), body.as_bytes()).map_err(|error| error.to_string())
}

fn digest_of(body: &str) -> Vec<u8> {
    match parse_sign(body).unwrap().input {
        Input::Digest(digest) => digest.bytes().to_vec(),
        Input::Message(_) => panic!("a message"),
    }
}

#[test]
fn key_types_are_taken_in_any_case_and_with_underscores() {
    for (text, key_type) in [
        ("EC-P256", KeyType::EcP256),
        ("ec-p256", KeyType::EcP256),
        ("EC_P384", KeyType::EcP384),
        ("rsa-2048", KeyType::Rsa2048),
        ("Rsa_4096", KeyType::Rsa4096),
    ] {
        let body = format!(r#"{{"key_id":"a","key_type":"{text}"}}"#);
        assert_eq!(parse_create(&body).unwrap().source.key_type(), key_type, "{text}");
    }
}

#[test]
fn other_key_types_are_refused_with_the_list_of_those_that_are_offered() {
    for text in ["EC-P521", "RSA-3072", "ED25519", "", "EC-P256 ", "ECP256"] {
        let body = format!(r#"{{"key_id":"a","key_type":"{text}"}}"#);
        assert_eq!(
            parse_create(&body).unwrap_err(),
            "key_type: must be one of EC-P256, EC-P384, RSA-2048, RSA-4096",
            "{text}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_body_is_told_by_field() {
    for (body, error) in [
        ("", "body: must be a JSON object"),
        ("[\"a\",\"EC-P256\"]", "body: must be a JSON object"),
        ("null", "body: must be a JSON object"),
        ("{}", "key_id: is missing"),
        (r#"{"key_id":"a"}"#, "key_type: is missing"),
        (r#"{"key_id":7,"key_type":"EC-P256"}"#, "key_id: must be a string, not a number"),
        (r#"{"key_id":null,"key_type":"EC-P256"}"#, "key_id: must be a string, not null"),
        (r#"{"key_id":"a","key_type":["EC-P256"]}"#, "key_type: must be a string, not an array"),
        (r#"{"key_id":"a","key_type":{"a":{}}}"#, "key_type: must be a string, not an object"),
        (r#"{"key_id":"","key_type":"EC-P256"}"#, "key_id: must be 1 to 255 bytes long"),
        (r#"{"key_id":"..","key_type":"EC-P256"}"#, "key_id: must not be . or .."),
        (r#"{"key_id":"a\u0000","key_type":"EC-P256"}"#, "key_id: must not contain control characters"),
        (
            r#"{"key_id":"a","key_id":"b","key_type":"EC-P256"}"#,
            "body: duplicate field `key_id` at line 1 column 22",
        ),
        (
            r#"{"key_id":"a","key_type":"EC-P256"} x"#,
            "body: is not JSON: trailing characters at line 1 column 37",
        ),
        (r#"{"key_id":"a""#, "body: is not JSON: EOF while parsing an object at line 1 column 13"),
    ] {
        assert_eq!(parse_create(body).unwrap_err(), error, "{body}");
    }
    assert!(create(b"{\"key_id\":\"\xff\"}", OnDuplicate::Replace).is_err());
}

#[test]
fn unknown_fields_are_passed_over() {
    let body = r#" {"key_id":"a","labels":{"a":[1,null]},"key_type":"EC-P256","v":2} "#;

    assert_eq!(parse_create(body).unwrap().name.as_str(), "a");
}

#[test]
fn escapes_in_texts_are_understood() {
    let body = r#"{"key_id":"a\/b\u00e4","key_type":"EC\u002dP256"}"#;

    assert_eq!(parse_create(body).unwrap().name.as_str(), "a/bä");
}

#[test]
fn digests_come_in_both_alphabets_padded_or_not() {
    let (standard, url_safe) = ("+/v7".repeat(10) + "+/s", "-_v7".repeat(10) + "-_s");
    for text in [standard.clone() + "=", standard.clone(), url_safe.clone() + "=", url_safe] {
        let body = format!(r#"{{"digest":"{text}","hash_algorithm":"sha_256"}}"#);
        assert_eq!(digest_of(&body), [0xfb; 32], "{text}");
    }

    let mixed = standard.replacen('+', "-", 1);
    assert!(parse_sign(&format!(r#"{{"digest":"{mixed}","hash_algorithm":"sha_256"}}"#)).is_err());
}

#[test]
fn digests_that_are_none_are_refused() {
    for (digest, hash, error) in [
        ("AAAA", "SHA-256", "digest: has 3 bytes, sha-256 has 32"),
        ("", "SHA-512", "digest: has 0 bytes, sha-512 has 64"),
        ("A A=", "SHA-256", "digest: is not base64"),
        ("AAAA\\n", "SHA-256", "digest: is not base64"),
        ("A", "SHA-256", "digest: is not base64"),
        ("AAAA", "MD5", "hash_algorithm: must be one of SHA-256, SHA-384, SHA-512"),
    ] {
        let body = format!(r#"{{"digest":"{digest}","hash_algorithm":"{hash}"}}"#);
        let message = parse_sign(&body).unwrap_err();
        assert!(message.starts_with(error), "{digest} {hash}: {message}");
    }
}

#[test]
fn key_ids_in_paths_are_one_encoded_segment() {
    for (segment, id) in [
        ("x509-CA-A", "x509-CA-A"),
        ("ns%2Fwith%20slash%2Bplus", "ns/with slash+plus"),
        ("a+b", "a+b"),
        ("%C3%A4", "ä"),
        ("a.b", "a.b"),
        ("...", "..."),
    ] {
        assert_eq!(name(segment).unwrap().as_str(), id);
    }
    for segment in ["", "%", "%2", "%zz", "%0", "a%00b", "%ff", "%2e%2E", ".", "%0a", &"a".repeat(256)] {
        assert!(name(segment).is_err(), "{segment}");
    }
}

#[test]
fn pem_is_what_readers_of_pem_expect() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let pem = pem(&PublicKey::from_der(der.as_ref()).unwrap());

    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("\n-----END PUBLIC KEY-----"));
    assert!(pem.lines().all(|line| line.len() <= 64 && !line.is_empty()));
    assert_eq!(SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).unwrap().as_ref(), der.as_ref());
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(body: Vec<u8>) {
        let _parsed = create(&body, OnDuplicate::Replace);
        let _parsed = sign(name("a").unwrap(), &body);
    }

    #[test]
    fn json_of_any_shape_never_panics(
        body in "\\{(\"(digest|hash_algorithm|key_id|key_type)\":(\"[^\"]{0,9}\"|[0-9eE.+-]{1,5}|\\[\\{?|null),?){0,4}\\}?"
    ) {
        let _parsed = create(body.as_bytes(), OnDuplicate::Replace);
        let _parsed = sign(name("a").unwrap(), body.as_bytes());
    }

    #[test]
    fn an_encoded_key_id_is_read_as_it_was(id in "[^\\pC]{1,60}") {
        prop_assume!(!matches!(id.as_str(), "." | ".."));
        let segment = percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC).to_string();

        let name = name(&segment).unwrap();
        prop_assert_eq!(name.as_str(), id);
    }

    #[test]
    fn arbitrary_segments_never_panic(segment: String) {
        let _parsed = name(&segment);
    }
}
