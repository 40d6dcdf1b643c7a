//! Keys as the engine has them: what is found, what is not used, and what is never touched.

use keyport_backends::vault::{Connection, OpenError, Vault};
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::NativeId;
use keyport_core::scheme::{Hash, KeyType};
use reqwest::Method;
use serde_json::json;

use crate::peer::{Bao, custodian};
use crate::proxy::{Heard, Proxy, Then};
use crate::suite::{its_signatures_verify, object, request, soon};

#[tokio::test]
async fn a_key_is_what_it_was_made_for_and_cannot_leave() {
    let Some(bao) = Bao::plain().await else { return };
    let vault = bao.open();
    let request = request(KeyType::EcP256);
    let made = vault.generate(request.clone(), soon()).await.unwrap();

    let name = format!("keyport-{}", request.key_id);
    assert_eq!(made.native_id.as_str(), format!("transit/{name}:1"));
    let key = &bao.get(&format!("transit/keys/{name}")).await["data"];
    assert_eq!(key["type"], "ecdsa-p256");
    for no in ["exportable", "allow_plaintext_backup", "deletion_allowed", "derived"] {
        assert_eq!(key[no], false, "{no}");
    }
}

#[tokio::test]
async fn whoever_rotates_a_key_changes_nothing() {
    let Some(bao) = Bao::plain().await else { return };
    let custodian = custodian(bao.open());
    let (object, made) = custodian.make(KeyType::EcP256).await;
    bao.post(&format!("transit/keys/keyport-{}/rotate", object.key_id), json!({})).await;

    let again = custodian.backend.generate(
        keyport_core::backend::Generate { key_id: object.key_id, ..request(KeyType::EcP256) },
        soon(),
    );
    assert_eq!(again.await.unwrap().public, made.public);
    its_signatures_verify(&custodian, &object, &made).await;
}

#[tokio::test]
async fn a_version_that_must_not_sign_and_a_key_that_is_deleted_for_now_are_gone() {
    let Some(bao) = Bao::plain().await else { return };
    let vault = bao.open();
    let (archived, deleted) = (make(&vault).await, make(&vault).await);
    let path = |object: &Object| format!("transit/keys/keyport-{}", object.key_id);
    bao.post(&format!("{}/rotate", path(&archived)), json!({})).await;
    bao.post(&format!("{}/config", path(&archived)), json!({ "min_encryption_version": 2 })).await;
    bao.admin(Method::DELETE, &format!("{}/soft-delete", path(&deleted)), json!({})).await;

    assert_eq!(vault.state(&archived, soon()).await.unwrap(), KeyState::Disabled);
    assert_eq!(vault.state(&deleted, soon()).await.unwrap(), KeyState::PendingDeletion(None));
    for object in [&archived, &deleted] {
        let refused = vault.sign(object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::KeyGone, "{refused}");
        let refused = bao.open().public_key(object, soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::KeyGone, "{refused}");
        vault.destroy(object, soon()).await.unwrap();
    }
    assert!(bao.keys("transit").await.is_empty());
}

#[tokio::test]
async fn a_key_that_somebody_deleted_is_not_there() {
    let Some(bao) = Bao::plain().await else { return };
    let vault = bao.open();
    let object = make(&vault).await;
    let path = format!("transit/keys/keyport-{}", object.key_id);
    bao.post(&format!("{path}/config"), json!({ "deletion_allowed": true })).await;
    assert_eq!(vault.state(&object, soon()).await.unwrap(), KeyState::Enabled);
    bao.admin(Method::DELETE, &path, json!({})).await;
    assert_eq!(vault.state(&object, soon()).await.unwrap(), KeyState::Gone);

    let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotFound, "{refused}");
    assert_eq!(vault.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
    vault.destroy(&object, soon()).await.unwrap();
}

#[tokio::test]
async fn an_operator_names_a_key_by_its_path_and_its_version() {
    let Some(bao) = Bao::plain().await else { return };
    let custodian = custodian(bao.open());
    bao.post("transit/keys/root-2026", json!({ "type": "ed25519" })).await;
    bao.post("transit/keys/root-2026/rotate", json!({})).await;

    let locate = |reference: &'static str| custodian.backend.locate(reference, soon());
    let (first, latest) = (locate("root-2026:1").await.unwrap(), locate("transit/root-2026").await.unwrap());
    assert_eq!(latest.native_id.as_str(), "transit/root-2026:2");
    assert_ne!(first.public, latest.public);
    for located in [first, latest] {
        let request = request(KeyType::Ed25519);
        its_signatures_verify(&custodian, &object(&request, &located.native_id), &located).await;
    }
}

#[tokio::test]
async fn what_is_no_key_to_sign_with_is_refused_by_name() {
    let Some(bao) = Bao::plain().await else { return };
    let vault = bao.open();
    bao.post("transit/keys/aes", json!({ "type": "aes256-gcm96" })).await;
    bao.post("transit/keys/derived", json!({ "type": "ed25519", "derived": true })).await;
    bao.post("transit/keys/ca", json!({ "type": "ecdsa-p256" })).await;

    for (reference, kind, says) in [
        ("aes", FailureKind::Unsupported, "aes256-gcm96"),
        ("derived", FailureKind::Unsupported, "derived ed25519"),
        ("nobody", FailureKind::NotFound, "nobody"),
        ("ca:2", FailureKind::NotFound, "no version 2"),
        ("ca:x", FailureKind::InvalidArgument, "NAME:1"),
        ("other/ca", FailureKind::InvalidArgument, "mounted at `transit`"),
        ("../sys/seal", FailureKind::InvalidArgument, "no key"),
    ] {
        let refused = vault.locate(reference, soon()).await.unwrap_err();
        assert_eq!(refused.kind, kind, "{reference}: {refused}");
        assert!(refused.message.contains(says), "{reference}: {refused}");
    }
}

#[tokio::test]
async fn what_was_not_made_for_a_key_is_never_deleted() {
    let Some(bao) = Bao::plain().await else { return };
    let ours = bao.open();
    let theirs = Vault::open(Connection { prefix: "theirs".to_owned(), ..bao.connection() }).unwrap();
    bao.post("transit/keys/root", json!({ "type": "ecdsa-p256" })).await;
    let request = request(KeyType::EcP256);
    theirs.generate(request.clone(), soon()).await.unwrap();

    assert_eq!(ours.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
    for native_id in ["transit/root:1".to_owned(), format!("transit/theirs-{}:1", request.key_id)] {
        let refused = ours.destroy(&object(&request, &NativeId::new(native_id)), soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Denied, "{refused}");
    }
    assert_eq!(bao.keys("transit").await.len(), 2);
}

#[tokio::test]
async fn a_key_that_could_leave_is_not_taken_for_our_own() {
    let Some(bao) = Bao::plain().await else { return };
    let request = request(KeyType::EcP256);
    let path = format!("transit/keys/keyport-{}", request.key_id);
    bao.post(&path, json!({ "type": "ecdsa-p256", "exportable": true })).await;

    assert_eq!(bao.open().generate(request, soon()).await.unwrap_err().kind, FailureKind::Exists);
}

#[tokio::test]
async fn an_engine_is_mounted_with_the_first_key_if_that_is_wanted() {
    let Some(bao) = Bao::plain().await else { return };
    let at = |create_mount| Connection { mount: "team/keys".to_owned(), create_mount, ..bao.connection() };
    let (wanted, unwanted) = (Vault::open(at(true)).unwrap(), Vault::open(at(false)).unwrap());

    let refused = unwanted.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded);
    assert!(refused.message.contains("create-mount = true"), "{refused}");
    let refused = unwanted.generate(request(KeyType::EcP256), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded);

    wanted.health(soon()).await.unwrap();
    let request = request(KeyType::EcP256);
    assert_eq!(wanted.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
    let both = tokio::join!(wanted.generate(request.clone(), soon()), wanted.generate(request, soon()));
    assert_eq!(both.0.unwrap().public, both.1.unwrap().public);
    assert_eq!(bao.keys("team/keys").await.len(), 1);
    unwanted.health(soon()).await.unwrap();
}

#[tokio::test]
async fn a_namespace_has_keys_of_its_own() {
    let Some(bao) = Bao::plain().await else { return };
    bao.post("sys/namespaces/team", json!({})).await;
    let within = Connection { namespace: Some("team".to_owned()), create_mount: true, ..bao.connection() };
    let within = Vault::open(within).unwrap();
    let request = request(KeyType::EcP256);

    let Generated { native_id, .. } = within.generate(request.clone(), soon()).await.unwrap();
    within.sign(&object(&request, &native_id), Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    assert!(bao.keys("transit").await.is_empty());
    let (outer, inner) = (bao.open().identity(soon()).await.unwrap(), within.identity(soon()).await.unwrap());
    assert_ne!(outer, inner);

    let nowhere = Connection { namespace: Some("nowhere".to_owned()), ..bao.connection() };
    let refused = Vault::open(nowhere).unwrap().health(soon()).await.unwrap_err();
    assert!(refused.message.contains("namespace"), "{refused}");
}

#[tokio::test]
async fn its_identity_is_the_clusters_with_the_mount() {
    let (Some(bao), Some(another)) = (Bao::plain().await, Bao::plain().await) else { return };
    let identity = |bao: &Bao, mount: &str| {
        let vault = Vault::open(Connection { mount: mount.to_owned(), ..bao.connection() }).unwrap();
        async move { vault.identity(soon()).await.unwrap().unwrap() }
    };

    let ours = identity(&bao, "transit").await;
    assert_eq!(ours, identity(&bao, "transit").await);
    assert_ne!(ours, identity(&bao, "other").await);
    assert_ne!(ours, identity(&another, "transit").await);
}

#[tokio::test]
async fn another_cluster_is_not_taken_for_the_one_that_has_the_keys_and_hears_no_secret() {
    let (Some(bao), Some(another)) = (Bao::plain().await, Bao::plain().await) else { return };
    let identity = bao.open().identity(soon()).await.unwrap();
    let (ours, theirs) = (Proxy::before(&bao).await, Proxy::before(&another).await);
    let at =
        |proxy: &Proxy| Connection { address: proxy.url(), identity: identity.clone(), ..bao.connection() };

    make(&Vault::open(at(&ours)).unwrap()).await;
    let refused = Vault::open(at(&theirs)).unwrap().health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded, "{refused}");
    assert!(refused.message.contains("--rebind"), "{refused}");
    assert!(theirs.heard().iter().all(|heard| !heard.headers.contains_key("x-vault-token")));
}

#[tokio::test]
async fn another_cluster_that_took_the_place_of_the_first_one_is_not_logged_in_at() {
    let Some(bao) = Bao::plain().await else { return };
    let front = Proxy::before(&bao).await;
    let vault = Vault::open(Connection { address: front.url(), ..bao.connection() }).unwrap();
    vault.identity(soon()).await.unwrap();
    make(&vault).await;

    front.says(|heard: &Heard| match heard.path.starts_with("sys/health") {
        true => Then::Answer(200, "", "{\"cluster_id\":\"another\"}"),
        false => Then::Answer(403, "", "{\"errors\":[\"permission denied\"]}"),
    });
    let refused = vault.health(soon()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::OperatorNeeded, "{refused}");
    assert!(refused.message.contains("vault another transit"), "{refused}");
}

#[tokio::test]
async fn a_replica_calls_the_key_by_its_own_place() {
    let Some(bao) = Bao::plain().await else { return };
    let native_id = NativeId::new("team/transit/keyport-0:3");

    assert_eq!(bao.open().counterpart(&native_id).as_str(), "transit/keyport-0:3");
}

#[tokio::test]
async fn what_transit_does_not_sign_is_refused_before_any_call() {
    let Some(bao) = Bao::plain().await else { return };
    let vault = bao.open();
    let object = make(&vault).await;
    drop(bao);

    for mechanism in [Mechanism::RsaPkcs1v15DigestInfo, Mechanism::RsaPss(Hash::Sha256), Mechanism::Ed25519] {
        let refused = vault.sign(&object, mechanism, &[7; 32], soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unsupported, "{mechanism:?}");
    }
    let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 31], soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::InvalidArgument);
    let refused = vault.generate(request(KeyType::EcSecp256k1), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported);
}

#[tokio::test]
async fn names_that_would_be_other_paths_do_not_open() {
    let Some(bao) = Bao::plain().await else { return };
    let of = |mount: &str, prefix: &str, namespace: Option<&str>| Connection {
        mount: mount.to_owned(),
        prefix: prefix.to_owned(),
        namespace: namespace.map(str::to_owned),
        ..bao.connection()
    };

    for connection in [
        of("../sys", "keyport", None),
        of("transit/", "keyport", None),
        of("transit", "a/b", None),
        of("transit", "", None),
        of("transit", "keyport", Some("a b")),
    ] {
        assert!(matches!(Vault::open(connection), Err(OpenError::Name(_))));
    }
    let elsewhere = Connection { address: "http://vault.example".to_owned(), ..bao.connection() };
    assert!(matches!(Vault::open(elsewhere), Err(OpenError::Address(_))));
}

async fn make(vault: &Vault) -> Object {
    let request = request(KeyType::EcP256);
    let made = vault.generate(request.clone(), soon()).await.unwrap();

    object(&request, &made.native_id)
}
