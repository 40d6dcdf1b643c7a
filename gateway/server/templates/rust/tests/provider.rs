//! The provider with a gateway in memory: `cargo test`.

use {{crate}}::RestKms;
use keyport_sdk::http::Response;
use keyport_sdk::testing::{Call, Host};
use keyport_sdk::{ErrorKind, Hash, Input, KeyRef, Provider, Result, Scheme, SignRequest};

fn answer(status: u16, body: &str) -> Result<Response> {
    Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

fn key() -> KeyRef {
    KeyRef { key_id: "k1".to_owned(), handle: None }
}

#[test]
fn signs_by_one_request_about_the_operations_key() {
    let host = Host::new().respond(answer(200, r#"{"signature": "c2lnbmF0dXJl"}"#));
    let scheme = Scheme::Ecdsa(Hash::Sha256);
    let request = SignRequest { key: key(), scheme, input: Input::Digest(vec![0; 32]) };

    assert_eq!(RestKms(&host).sign(&request).unwrap(), b"signature");
    let [Call::Http { request, .. }] = &host.calls()[..] else { panic!("{:?}", host.calls()) };
    assert_eq!(request.path, "/keys/{key}/sign");
}

#[test]
fn a_key_that_is_not_there_counts_as_destroyed() {
    assert_eq!(RestKms(&Host::new().respond(answer(404, ""))).destroy_key(&key()), Ok(()));

    let failed = RestKms(&Host::new().respond(answer(503, ""))).destroy_key(&key()).unwrap_err();
    assert_eq!((failed.kind, failed.code), (ErrorKind::Unavailable, 503));
}
