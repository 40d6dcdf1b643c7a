//! Objects on the token: how they are made, what becomes of those that others make or destroy, and of half a pair.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyport_backends::pkcs11::{Connection, Pkcs11};
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::input::{Digest, Input};
use keyport_core::key::NativeId;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_core::signature::Signature;
use tokio::task::JoinSet;

use crate::opening::spied;
use crate::process::calls;
use crate::suite::{object, request, soon};
use crate::token::{SOFTHSM, Token, number};

#[tokio::test]
async fn a_key_is_sensitive_not_extractable_and_for_signing_only() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let custodian = token.custodian(token.open().await);
    for key_type in [KeyType::EcP256, KeyType::Rsa2048, KeyType::Ed25519] {
        let (object, _) = custodian.make(key_type).await;

        let id = object.native_id.as_str();
        let private = token.tool(&["--list-objects", "--type", "privkey", "--id", id]);
        let line =
            |name: &str| private.lines().find(|line| line.trim_start().starts_with(name)).map(str::trim);
        assert_eq!(line("Usage:"), Some("Usage:      sign"), "{private}");
        let access = "Access:     sensitive, always sensitive, never extractable, local";
        assert_eq!(line("Access:"), Some(access), "{private}");
        assert_eq!(line("label:"), Some("label:      keyport:conformance:a key"), "{private}");
        let public = token.tool(&["--list-objects", "--type", "pubkey", "--id", id]);
        assert!(public.contains("Usage:      verify\n"), "{public}");
    }
}

#[tokio::test]
async fn a_native_id_is_the_key_id_which_is_the_cka_id() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let (object, _) = token.custodian(token.open().await).make(KeyType::EcP256).await;

    assert_eq!(object.native_id.as_str(), object.key_id.to_string());
    assert!(token.tool(&["--list-objects"]).contains(&format!("ID:         {}", object.native_id.as_str())));
}

#[tokio::test]
async fn an_object_that_somebody_else_destroyed_is_not_there() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let custodian = token.custodian(token.open().await);
    let (object, _) = custodian.make(KeyType::EcP256).await;
    let (other, _) = custodian.make(KeyType::EcP256).await;
    let backend = &custodian.backend;
    sign(&**backend, &object).await.unwrap();

    delete(&token, &object, &["privkey", "pubkey"]);
    assert_eq!(sign(&**backend, &object).await.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(backend.public_key(&object, soon()).await.unwrap_err().kind, FailureKind::NotFound);
    sign(&**backend, &other).await.unwrap();
}

/// What `verify = "handle"` relies on.
#[tokio::test]
async fn softhsm_never_gives_the_handle_of_an_object_to_another() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let custodian = token.custodian(token.open().await);
    let backend = &*custodian.backend;
    let (gone, _) = custodian.make(KeyType::EcP256).await;
    sign(backend, &gone).await.unwrap();

    // By another process, so that the library finds out by itself.
    delete(&token, &gone, &["privkey", "pubkey"]);
    for _ in 0..20 {
        let (object, made) = custodian.make(KeyType::EcP256).await;
        let signature = Signature::new(KeyType::EcP256, sign(backend, &object).await.unwrap()).unwrap();
        let input = Input::Digest(Digest::new("digest", Hash::Sha256, &[7; 32]).unwrap());
        assert!(made.public.verifies(Scheme::Ecdsa(Hash::Sha256), &input, &signature).unwrap());
        assert_eq!(sign(backend, &gone).await.unwrap_err().kind, FailureKind::NotFound);
    }
}

#[tokio::test]
async fn half_a_pair_is_made_whole_and_half_a_pair_is_destroyed() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let backend = token.open().await;
    for half in ["privkey", "pubkey"] {
        let request = request(KeyType::EcP256);
        let made = backend.generate(request.clone(), soon()).await.unwrap();
        let object = object(&request, &made.native_id);
        delete(&token, &object, &[half]);
        assert!(backend.find(&object.tenant, object.key_id, soon()).await.unwrap().is_some());

        let anew = backend.generate(request, soon()).await.unwrap();
        assert_ne!(anew.public, made.public);
        assert_eq!(backend.public_key(&object, soon()).await.unwrap(), anew.public);
        sign(&backend, &object).await.unwrap();

        delete(&token, &object, &[half]);
        backend.destroy(&object, soon()).await.unwrap();
        assert_eq!(backend.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_the_token_does_not_let_go_is_said_and_goes_when_it_does() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let custodian = token.custodian(token.open().await);
    let (object, _) = custodian.make(KeyType::EcP256).await;
    let files =
        std::fs::read_dir(token.folder.path().join("tokens")).unwrap().next().unwrap().unwrap().path();

    allow(&files, 0o500);
    let refused = custodian.backend.destroy(&object, soon()).await.unwrap_err();
    allow(&files, 0o700);
    for half in
        ["the private key stayed: C_DestroyObject: CKR_", "the public key stayed: C_DestroyObject: CKR_"]
    {
        assert!(refused.message.contains(half), "{refused}");
    }
    assert_ne!(refused.code, 0);
    assert!(custodian.backend.find(&object.tenant, object.key_id, soon()).await.unwrap().is_some());

    custodian.backend.destroy(&object, soon()).await.unwrap();
    assert_eq!(custodian.backend.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
}

#[tokio::test]
async fn a_pair_that_is_still_being_made_is_not_absent() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let backend = token.open().await;
    let request = request(KeyType::Rsa4096);
    let object = object(&request, &NativeId::new(request.key_id.to_string()));
    // Nobody makes 4096 bits that fast: the token goes on when nobody waits any more.
    let at_once = || tokio::time::Instant::now().into_std() + Duration::from_millis(20);
    let late = backend.generate(request, at_once()).await.unwrap_err();
    assert_eq!(late.kind, FailureKind::Unavailable);

    let found = backend.find(&object.tenant, object.key_id, at_once()).await;
    assert_eq!(found.unwrap_err().kind, FailureKind::Unavailable);
    let destroyed = backend.destroy(&object, at_once()).await;
    assert_eq!(destroyed.unwrap_err().kind, FailureKind::Unavailable);

    // It goes once it is there, however long a busy machine takes to make it.
    while let Err(failure) = backend.destroy(&object, soon()).await {
        assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    }
    assert_eq!(backend.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
}

#[tokio::test]
async fn two_gateways_share_one_token() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let (one, two) = (token.open().await, token.open().await);
    let request = request(KeyType::EcP256);
    let made = one.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);

    assert_eq!(two.generate(request, soon()).await.unwrap().public, made.public);
    assert_eq!(two.public_key(&object, soon()).await.unwrap(), made.public);
    sign(&one, &object).await.unwrap();
    sign(&two, &object).await.unwrap();

    two.destroy(&object, soon()).await.unwrap();
    assert_eq!(sign(&one, &object).await.unwrap_err().kind, FailureKind::NotFound);
}

#[tokio::test]
async fn a_key_that_somebody_else_made_is_located_by_id_and_by_label() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let backend = token.open().await;
    token.tool(&["--keypairgen", "--key-type", "EC:secp384r1", "--id", "0a1b", "--label", "ca-2024"]);

    for reference in ["id:0a1b", "id:0A1B", "label:ca-2024"] {
        let located = backend.locate(reference, soon()).await.unwrap();
        assert_eq!(located.native_id, NativeId::new("0a1b"));
        assert_eq!(located.public.key_type(), KeyType::EcP384);
        let object = object(&request(KeyType::EcP384), &located.native_id);
        backend.sign(&object, Mechanism::Ecdsa, &[7; 48], soon()).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_means_no_key_or_several_is_refused() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let backend = token.open().await;
    for (id, label) in [("01", "twin"), ("02", "twin"), ("03", "a"), ("03", "b")] {
        token.tool(&["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", label]);
    }

    for (reference, kind) in [
        ("label:twin", FailureKind::InvalidArgument),
        ("id:03", FailureKind::InvalidArgument),
        ("label:a", FailureKind::InvalidArgument),
        ("id:", FailureKind::InvalidArgument),
        ("id:0", FailureKind::InvalidArgument),
        ("twin", FailureKind::InvalidArgument),
        ("id:04", FailureKind::NotFound),
        ("label:nobody", FailureKind::NotFound),
    ] {
        assert_eq!(backend.locate(reference, soon()).await.unwrap_err().kind, kind, "{reference}");
    }
}

#[tokio::test]
async fn an_object_of_another_type_than_its_row_does_not_sign() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let (object, _) = token.custodian(token.open().await).make(KeyType::EcP256).await;
    let backend = token.open().await;

    let other = Object { key_type: KeyType::EcSecp256k1, ..object };
    assert_eq!(sign(&backend, &other).await.unwrap_err().kind, FailureKind::InvalidArgument);
}

#[tokio::test]
async fn a_signature_looks_for_nothing_once_its_key_was_found() {
    let Some((token, spied)) = spied() else { return };
    let custodian = token.custodian(Pkcs11::open(spied).await.unwrap());
    let (object, _) = custodian.make(KeyType::EcP256).await;
    sign(&*custodian.backend, &object).await.unwrap();

    let log = token.folder.path().join("spy.log");
    let before = (calls(&log, "C_FindObjectsInit"), calls(&log, "C_OpenSession"));
    for _ in 0..10 {
        sign(&*custodian.backend, &object).await.unwrap();
    }
    assert_eq!((calls(&log, "C_FindObjectsInit"), calls(&log, "C_OpenSession")), before);
}

#[tokio::test]
async fn a_session_in_which_a_call_failed_is_given_up() {
    let Some((token, spied)) = spied() else { return };
    let one = Connection { sessions: number(1), ..spied };
    let custodian = token.custodian(Pkcs11::open(one).await.unwrap());
    let (object, _) = custodian.make(KeyType::EcP256).await;
    let (other, _) = custodian.make(KeyType::EcP256).await;
    let log = token.folder.path().join("spy.log");
    sign(&*custodian.backend, &object).await.unwrap();
    assert_eq!(calls(&log, "C_CloseSession"), 0);

    delete(&token, &object, &["privkey", "pubkey"]);
    assert_eq!(sign(&*custodian.backend, &object).await.unwrap_err().kind, FailureKind::NotFound);
    sign(&*custodian.backend, &other).await.unwrap();
    assert!(calls(&log, "C_CloseSession") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_share_few_sessions() {
    let Some((token, spied)) = spied() else { return };
    let few = Connection { sessions: number(2), in_flight: number(16), ..spied };
    let custodian = token.custodian(Pkcs11::open(few).await.unwrap());
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let (backend, object) = (Arc::clone(&custodian.backend), object.clone());
        tasks.spawn(async move { sign(&*backend, &object).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.len(), 200);
    // The two, and the one that keeps the login.
    assert!(calls(&token.folder.path().join("spy.log"), "C_OpenSession") <= 3);
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn delete(token: &Token, object: &Object, halves: &[&str]) {
    for half in halves {
        token.tool(&["--delete-object", "--type", half, "--id", object.native_id.as_str()]);
    }
}

async fn sign(backend: &dyn Backend, object: &Object) -> Result<Vec<u8>, keyport_core::Failure> {
    backend.sign(object, Mechanism::Ecdsa, &[7; 32], soon()).await
}
