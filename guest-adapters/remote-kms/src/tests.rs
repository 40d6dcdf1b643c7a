//! What the provider asks of a server, and what it makes of the answers.

use keyport_sdk::http::Method;
use keyport_sdk::testing::{Call, Host};
use keyport_sdk::{Hash, Scheme, Usage};
use proptest::prelude::*;

use super::*;

#[test]
fn a_key_is_asked_for_by_its_id_and_its_public_half_is_read() {
    let host = Host::new().respond(Ok(answer(200, ED25519)));

    let created = RemoteKms(&host).create_key(&create(KeyType::Ed25519)).unwrap();

    assert_eq!((created.handle, created.public_key.len()), (None, 44));
    let [(Method::Post, path, body)] = &asked(&host)[..] else { panic!("{:?}", host.calls()) };
    assert_eq!((path.as_str(), body.as_str()), ("/keys", &*format!(r#"{{"kid":"{ID}","alg":"EdDSA"}}"#)));
}

#[test]
fn each_type_is_asked_for_by_the_name_of_its_algorithm() {
    for (key_type, alg) in [
        (KeyType::EcP256, "ES256"),
        (KeyType::EcP384, "ES384"),
        (KeyType::EcP521, "ES512"),
        (KeyType::EcSecp256k1, "ES256K"),
        (KeyType::Rsa2048, "RS256"),
    ] {
        let host = Host::new().respond(Ok(answer(200, ED25519)));
        RemoteKms(&host).create_key(&create(key_type)).unwrap();
        assert!(asked(&host)[0].2.ends_with(&format!(r#""alg":"{alg}"}}"#)), "{key_type}");
    }
    for key_type in [KeyType::Rsa4096, KeyType::MlDsa65] {
        let host = Host::new();
        let refused = RemoteKms(&host).create_key(&create(key_type)).unwrap_err();
        assert_eq!((refused.kind, host.calls().len()), (ErrorKind::Unsupported, 0), "{key_type}");
    }
}

#[test]
fn a_message_is_sent_as_it_is_and_a_signature_is_one_request() {
    let host = Host::new().respond(Ok(signed(64)));

    let signature = RemoteKms(&host).sign(&sign(ES256, Input::Message(b"hello".to_vec()), None)).unwrap();

    assert_eq!(signature, [7; 64]);
    let body = r#"{"alg":"ES256","data":"aGVsbG8="}"#.to_owned();
    assert_eq!(asked(&host), [(Method::Post, "/keys/{key}/sign".to_owned(), body)]);
}

#[test]
fn a_digest_is_sent_only_where_the_server_takes_some() {
    let request = sign(ES256, Input::Digest(vec![0xfb; 3]), None);
    let host = Host::new();
    assert_eq!(RemoteKms(&host).sign(&request).unwrap_err().kind, ErrorKind::Unsupported);
    assert!(host.calls().is_empty());

    let host = Host::new().with_setting("digests", "yes").respond(Ok(signed(64)));
    RemoteKms(&host).sign(&request).unwrap();
    assert_eq!(asked(&host)[0].2, r#"{"alg":"ES256","digest":"+/v7"}"#);
}

#[test]
fn an_empty_message_is_not_sent() {
    let host = Host::new();

    let refused = RemoteKms(&host).sign(&sign(ES256, Input::Message(Vec::new()), None)).unwrap_err();
    assert_eq!((refused.kind, host.calls().len()), (ErrorKind::Unsupported, 0));
}

#[test]
fn what_it_is_handed_follows_the_setting_and_a_wrong_one_is_told() {
    let described = |value| RemoteKms(&Host::new().with_setting("digests", value)).describe().properties;
    let messages = [("input".to_owned(), "message".to_owned())];

    assert_eq!(RemoteKms(&Host::new()).describe().properties, messages);
    assert_eq!((described("no"), described("yes")), (messages.to_vec(), Vec::new()));
    assert_eq!(described("true"), messages);
    let host = Host::new().with_setting("digests", "true");
    let kms = RemoteKms(&host);
    for error in [kms.health().unwrap_err(), kms.create_key(&create(KeyType::EcP256)).unwrap_err()] {
        assert!(
            error.kind == ErrorKind::OperatorNeeded && error.message.contains("write \"yes\""),
            "{error:?}"
        );
    }
    assert!(host.calls().is_empty());
}

#[test]
fn keys_that_sign_by_one_scheme_are_told_apart_by_their_handle() {
    let made = Host::new().respond(Ok(answer(200, ED25519)));
    let created = RemoteKms(&made).create_key(&create(KeyType::EcSecp256k1)).unwrap();

    for (handle, alg) in [
        (created.handle, "ES256K"),
        (None, "ES256"),
        (Some(b"secp256k1 ffffffffffffffffffffffffffffffff".to_vec()), "ES256"),
    ] {
        let host = Host::new().respond(Ok(signed(64)));
        RemoteKms(&host).sign(&sign(ES256, Input::Message(b"m".to_vec()), handle)).unwrap();
        assert!(asked(&host)[0].2.contains(&format!(r#""alg":"{alg}""#)), "{alg}");
    }
}

#[test]
fn a_status_keeps_its_meaning_and_the_servers_words_go_to_the_operator() {
    for (status, kind) in [
        (302, ErrorKind::Unavailable),
        (400, ErrorKind::Internal),
        (401, ErrorKind::Credentials),
        (403, ErrorKind::Denied),
        (404, ErrorKind::NotFound),
        (409, ErrorKind::KeyGone),
        (410, ErrorKind::KeyGone),
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
    ] {
        let refused = Response {
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            ..answer(status, &format!(r#"{{"error":"{}"}}"#, "no ".repeat(200)))
        };
        let host = Host::new().respond(Ok(refused));
        let error = RemoteKms(&host).sign(&sign(ES256, Input::Message(b"m".to_vec()), None)).unwrap_err();

        assert_eq!((error.kind, error.code), (kind, u32::from(status)));
        assert!(error.message.contains(": no no") && error.message.len() < 400, "{error:?}");
        assert_eq!(error.retry_after_ms, Some(7000));
    }
}

#[test]
fn what_a_server_refuses_of_a_create_is_the_algorithm_unless_the_key_is_there() {
    for (status, kind) in [
        (400, ErrorKind::Unsupported),
        (401, ErrorKind::Credentials),
        (409, ErrorKind::Exists),
        (422, ErrorKind::Unsupported),
        (429, ErrorKind::Throttled),
    ] {
        let host = Host::new().respond(Ok(answer(status, r#"{"error":"Unsupported algorithm: ES256K"}"#)));
        let error = RemoteKms(&host).create_key(&create(KeyType::EcSecp256k1)).unwrap_err();
        assert_eq!((error.kind, error.code), (kind, u32::from(status)));
    }
}

#[test]
fn answers_that_are_none_are_errors() {
    for body in ["", "{}", "[]", "nonsense", r#"{"publicJwk":null}"#, r#"{"publicJwk":{"kty":7}}"#] {
        let host = Host::new().respond(Ok(answer(200, body)));
        let error = RemoteKms(&host).create_key(&create(KeyType::EcP256)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal, "{body}");
    }
    for body in ["", "{}", r#"{"signature":null}"#, r#"{"signature":"*"}"#, r#"{"signature":""}"#] {
        let host = Host::new().respond(Ok(answer(200, body)));
        let error = RemoteKms(&host).sign(&sign(ES256, Input::Message(b"m".to_vec()), None)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal, "{body}");
    }
}

#[test]
fn a_key_is_destroyed_whether_it_is_there_or_not() {
    for (status, destroyed) in
        [(204, true), (200, true), (404, true), (410, true), (403, false), (503, false)]
    {
        let host = Host::new().respond(Ok(answer(status, "")));
        assert_eq!(RemoteKms(&host).destroy_key(&key(None)).is_ok(), destroyed, "{status}");
        assert_eq!(asked(&host), [(Method::Delete, "/keys/{key}".to_owned(), String::new())]);
    }
}

#[test]
fn health_is_the_servers_own() {
    let host = Host::new()
        .respond(Ok(answer(200, "{}")))
        .respond(Ok(answer(503, "")))
        .respond(Err(Error::unavailable("no answer")));
    let kms = RemoteKms(&host);

    assert_eq!(kms.health(), Ok(()));
    assert_eq!(kms.health().unwrap_err().code, 503);
    assert_eq!(kms.health(), Err(Error::unavailable("no answer")));
    assert_eq!(asked(&host)[0], (Method::Get, "/health".to_owned(), String::new()));
}

#[test]
fn no_public_half_is_read_again() {
    let host = Host::new();

    assert_eq!(RemoteKms(&host).public_key(&key(None)).unwrap_err().kind, ErrorKind::Unsupported);
    assert!(host.calls().is_empty());
}

proptest! {
    #[test]
    fn whatever_a_server_answers_is_a_result(
        status in 100_u16..600,
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "\\{\"publicJwk\":\\{(\"[a-z]{1,3}\":\"[A-Za-z0-9_-]{0,50}\",){0,5}\"kty\":\"(EC|OKP|RSA)\"\\}\\}".prop_map(String::into_bytes),
            "\\{\"signature\":\"[A-Za-z0-9_-]{0,200}\"\\}".prop_map(String::into_bytes),
            "\\{\"error\":\"\\PC{0,500}\"\\}".prop_map(String::into_bytes),
        ],
    ) {
        let response = Response { status, headers: Vec::new(), body };
        let host = (0..4).fold(Host::new(), |host, _| host.respond(Ok(response.clone())));
        let kms = RemoteKms(&host);

        let created = kms.create_key(&create(KeyType::EcP256));
        let signed = kms.sign(&sign(ES256, Input::Message(b"m".to_vec()), None));
        let is_success = response.is_success();
        prop_assert!(is_success || created.is_err() && signed.is_err());
        prop_assert_eq!(kms.destroy_key(&key(None)).is_ok(), is_success || response.is_missing());
        prop_assert_eq!(kms.health().is_ok(), is_success);
        for error in [created.err(), signed.err()].into_iter().flatten() {
            prop_assert!(error.message.len() <= 1024);
        }
    }
}

fn create(key_type: KeyType) -> CreateRequest {
    CreateRequest {
        key_id: ID.to_owned(),
        tenant: "t".to_owned(),
        name: "n".to_owned(),
        key_type,
        usage: Usage::SIGN,
        labels: Vec::new(),
    }
}

fn sign(scheme: Scheme, input: Input, handle: Option<Vec<u8>>) -> SignRequest {
    SignRequest { key: key(handle), scheme, input }
}

fn key(handle: Option<Vec<u8>>) -> KeyRef {
    KeyRef { key_id: ID.to_owned(), handle }
}

/// An answer that signs with sevens, this many.
fn signed(length: usize) -> Response {
    use base64::Engine;
    let signature = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(vec![7; length]);

    answer(200, &format!(r#"{{"signature":"{signature}"}}"#))
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: body.into() }
}

/// Method, path and body of each request.
fn asked(host: &Host) -> Vec<(Method, String, String)> {
    let request = |call| {
        let Call::Http { connection: None, request } = call else { panic!("no request to the one server") };
        (request.method, request.path, String::from_utf8(request.body).unwrap())
    };

    host.calls().into_iter().map(request).collect()
}

const ES256: Scheme = Scheme::Ecdsa(Hash::Sha256);
const ED25519: &str =
    r#"{"publicJwk":{"kty":"OKP","crv":"Ed25519","x":"iVIPe4xwxKxPG-V54KzPYtRb41meMKo3tvs8DLFByX4"}}"#;
const ID: &str = "0123456789abcdef0123456789abcdef";
