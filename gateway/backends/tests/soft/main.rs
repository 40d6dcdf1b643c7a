//! The embedded token: what every backend promises, and what it promises alone.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

mod import;
mod memory;
#[path = "../suite/mod.rs"]
mod suite;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyport_backends::soft::{Bounds, MasterKey, OpenError, RotateError, Soft, rotate};
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::NativeId;
use keyport_core::scheme::{Family, Hash, KeyType};
use keyport_core::store::SealedKeys;

use memory::{Memory, Unruly};
use suite::{Custodian, soon};

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_every_backend_promises() {
    suite::backend(&custodian(Arc::<Memory>::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_them_with_room_for_one_unsealed_key_and_one_thread() {
    let bounds = Bounds { unsealed_keys: NonZeroUsize::MIN, threads: NonZeroUsize::MIN };

    suite::backend(&custodian_within(bounds, Arc::<Memory>::default()).await).await;
}

#[tokio::test]
async fn nothing_acts_outside() {
    assert!(!custodian(Arc::<Memory>::default()).await.backend.acts_outside());
}

#[tokio::test]
async fn keys_outlive_the_process() {
    let store = Arc::<Memory>::default();
    let mut made = Vec::new();
    for key_type in [KeyType::EcP256, KeyType::EcP384, KeyType::EcP521, KeyType::Ed25519, KeyType::Rsa2048] {
        made.push(custodian(Arc::clone(&store)).await.make(key_type).await);
    }

    let reopened = custodian(store).await;
    for (object, made) in made {
        assert_eq!(reopened.backend.public_key(&object, soon()).await.unwrap(), made.public);
    }
}

#[tokio::test]
async fn a_master_key_that_is_not_the_stores_is_refused_with_the_mend() {
    let store = Arc::<Memory>::default();
    custodian(Arc::clone(&store)).await;

    let refused = Soft::open(store, &master("2"), Bounds::default()).await.unwrap_err();
    assert!(matches!(refused, OpenError::WrongMasterKey));
    assert!(refused.to_string().contains("start with the one that was"), "{refused}");
}

#[tokio::test]
async fn a_lost_mark_is_no_way_round_the_master_key() {
    let store = Arc::<Memory>::default();
    let (object, made) = custodian(Arc::clone(&store)).await.make(KeyType::EcP256).await;
    store.lose_mark();

    let sealed: Arc<dyn SealedKeys> = store.clone();
    let refused = Soft::open(sealed, &master("2"), Bounds::default()).await.unwrap_err();
    assert!(matches!(refused, OpenError::WrongMasterKey));
    assert_eq!(store.mark().await.unwrap(), None);

    let mended = custodian(Arc::clone(&store)).await;
    assert_eq!(mended.backend.public_key(&object, soon()).await.unwrap(), made.public);
    assert!(store.mark().await.unwrap().is_some());
}

#[tokio::test]
async fn rotation_puts_every_key_under_the_new_master_key() {
    let store = Arc::<Memory>::default();
    let before = custodian(Arc::clone(&store)).await;
    let keys = [before.make(KeyType::EcP256).await, before.make(KeyType::Ed25519).await];

    assert_eq!(rotate(&*store, &master("1"), &master("2")).await.unwrap(), 2);

    let sealed: Arc<dyn SealedKeys> = store.clone();
    let refused = Soft::open(sealed, &master("1"), Bounds::default()).await.unwrap_err();
    assert!(matches!(refused, OpenError::WrongMasterKey));
    let after = Soft::open(store, &master("2"), Bounds::default()).await.unwrap();
    for (object, made) in keys {
        assert_eq!(after.public_key(&object, soon()).await.unwrap(), made.public);
    }
}

#[tokio::test]
async fn rotation_says_why_it_did_not_happen() {
    let store = Memory::default();
    rotate(&store, &master("0"), &master("1")).await.unwrap();

    let again = rotate(&store, &master("0"), &master("1")).await.unwrap_err();
    assert!(matches!(again, RotateError::AlreadyRotated));
    let neither = rotate(&store, &master("2"), &master("3")).await.unwrap_err();
    assert!(matches!(neither, RotateError::WrongMasterKey));
    let same = rotate(&store, &master("1"), &master("1")).await.unwrap_err();
    assert!(matches!(same, RotateError::SameMasterKey));
}

#[tokio::test]
async fn rotation_with_one_broken_key_changes_nothing_and_names_it() {
    let store = Arc::<Memory>::default();
    let custodian = custodian(Arc::clone(&store)).await;
    let (whole, made) = custodian.make(KeyType::EcP256).await;
    let (broken, _) = custodian.make(KeyType::EcP256).await;
    store.tamper(|keys| {
        *keys.get_mut(&(broken.tenant.clone(), broken.key_id)).unwrap().last_mut().unwrap() ^= 1;
    });

    let refused = chain(&rotate(&*store, &master("1"), &master("2")).await.unwrap_err());
    assert!(refused.contains(&broken.key_id.to_string()), "{refused}");
    assert!(!refused.contains(&whole.key_id.to_string()), "{refused}");
    let after = Soft::open(store, &master("1"), Bounds::default()).await.unwrap();
    assert_eq!(after.public_key(&whole, soon()).await.unwrap(), made.public);
}

#[tokio::test]
async fn material_that_was_moved_to_another_key_or_tenant_does_not_open() {
    let store = Arc::<Memory>::default();
    let custodian = custodian(Arc::clone(&store)).await;
    let (one, _) = custodian.make(KeyType::EcP256).await;
    let (two, _) = custodian.make(KeyType::EcP256).await;
    let elsewhere = Object { tenant: "elsewhere".parse().unwrap(), ..one.clone() };
    store.tamper(|keys| {
        let material = keys[&(one.tenant.clone(), one.key_id)].clone();
        keys.insert((two.tenant.clone(), two.key_id), material.clone());
        keys.insert((elsewhere.tenant.clone(), elsewhere.key_id), material);
    });

    let reopened = Soft::open(store, &master("1"), Bounds::default()).await.unwrap();
    for object in [two, elsewhere] {
        let refused = reopened.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::OperatorNeeded);
    }
    assert!(reopened.sign(&one, Mechanism::Ecdsa, &[7; 32], soon()).await.is_ok());
}

#[tokio::test]
async fn an_object_whose_native_id_is_another_keys_is_not_there() {
    let store = Arc::<Memory>::default();
    let custodian = custodian(Arc::clone(&store)).await;
    let (one, _) = custodian.make(KeyType::EcP256).await;
    let (two, _) = custodian.make(KeyType::EcP256).await;

    for native_id in
        [two.native_id, NativeId::new("x"), NativeId::new(one.native_id.as_str().to_uppercase() + " ")]
    {
        let swapped = Object { native_id, ..one.clone() };
        let refused = custodian.backend.sign(&swapped, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::NotFound);
        custodian.backend.destroy(&swapped, soon()).await.unwrap();
    }
    assert_eq!(store.len(), 2);
}

#[tokio::test]
async fn an_object_of_another_type_is_refused() {
    let custodian = custodian(Arc::<Memory>::default()).await;
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let other = Object { key_type: KeyType::EcP384, ..object };
    let refused = custodian.backend.sign(&other, Mechanism::Ecdsa, &[7; 48], soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::InvalidArgument);
}

#[tokio::test]
async fn ecdsa_signs_nothing_but_the_leftmost_bytes_of_a_digest() {
    let custodian = custodian(Arc::<Memory>::default()).await;
    for (key_type, too_long) in [(KeyType::EcP256, 48), (KeyType::EcP384, 64), (KeyType::EcP521, 66)] {
        let (object, _) = custodian.make(key_type).await;
        for length in [0, 1, 20, 31, 33, too_long] {
            let refused = custodian.backend.sign(&object, Mechanism::Ecdsa, &vec![7; length], soon()).await;
            assert_eq!(refused.unwrap_err().kind, FailureKind::InvalidArgument, "{key_type} {length}");
        }
    }
}

#[tokio::test]
async fn a_signature_that_races_a_destruction_does_not_bring_the_key_back() {
    let store = Arc::<Unruly>::default();
    let (object, _) = custodian(Arc::clone(&store)).await.make(KeyType::EcP256).await;
    // Opened again, so that the key is not in memory.
    let custodian = custodian(Arc::clone(&store)).await;

    store.hold_get.store(true, Ordering::SeqCst);
    let signing = tokio::spawn({
        let (backend, object) = (Arc::clone(&custodian.backend), object.clone());
        async move { backend.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await }
    });
    store.has_read.notified().await;
    custodian.backend.destroy(&object, soon()).await.unwrap();
    store.go_on.notify_one();

    assert!(signing.await.unwrap().is_ok(), "it began before the destruction");
    let refused = custodian.backend.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotFound);
}

#[tokio::test]
async fn a_destruction_that_failed_can_be_asked_for_again() {
    let store = Arc::<Unruly>::default();
    let custodian = custodian(Arc::clone(&store)).await;
    let (object, _) = custodian.make(KeyType::EcP256).await;

    store.undeletable.store(true, Ordering::SeqCst);
    let refused = custodian.backend.destroy(&object, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.message.contains("the disk is read-only"), "{refused}");
    assert!(custodian.backend.find(&object.tenant, object.key_id, soon()).await.unwrap().is_some());

    store.undeletable.store(false, Ordering::SeqCst);
    custodian.backend.destroy(&object, soon()).await.unwrap();
    assert!(custodian.backend.find(&object.tenant, object.key_id, soon()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_unavailable_at_the_deadline() {
    let store = Arc::<Unruly>::default();
    let custodian = custodian(Arc::clone(&store)).await;
    let (cached, _) = custodian.make(KeyType::EcP256).await;
    let unknown = suite::request(KeyType::EcP256);
    let object = suite::object(&unknown, &NativeId::new(unknown.key_id.to_string()));
    store.stuck.store(true, Ordering::SeqCst);

    let backend = &custodian.backend;
    let begun = tokio::time::Instant::now();
    let deadline = (begun + Duration::from_secs(5)).into_std();
    let answers = [
        backend.generate(unknown.clone(), deadline).await.map(drop),
        backend.find(&object.tenant, object.key_id, deadline).await.map(drop),
        backend.public_key(&object, deadline).await.map(drop),
        backend.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline).await.map(drop),
        backend.destroy(&object, deadline).await,
        backend.health(deadline).await,
    ];

    for answer in answers {
        assert_eq!(answer.unwrap_err().kind, FailureKind::Unavailable);
    }
    assert!(begun.elapsed() < Duration::from_secs(6));
    assert!(
        backend.sign(&cached, Mechanism::Ecdsa, &[7; 32], soon()).await.is_ok(),
        "unsealed keys still sign"
    );
}

async fn custodian(store: Arc<impl SealedKeys + 'static>) -> Custodian {
    custodian_within(Bounds::default(), store).await
}

async fn custodian_within(bounds: Bounds, store: Arc<impl SealedKeys + 'static>) -> Custodian {
    let soft = Soft::open(store, &master("1"), bounds).await.expect("the store's own master key");

    Custodian {
        backend: Arc::new(soft),
        key_types: KEY_TYPES.into(),
        mechanisms: mechanisms(),
        imports: KEY_TYPES
            .into_iter()
            .filter(|kind| !matches!(kind.family(), Family::MlDsa { .. }))
            .collect(),
        restores: false,
        messages: 0..=usize::MAX,
        binds_tenant: true,
    }
}

const KEY_TYPES: [KeyType; 10] = [
    KeyType::EcP256,
    KeyType::EcP384,
    KeyType::EcP521,
    KeyType::Ed25519,
    KeyType::Rsa2048,
    KeyType::Rsa3072,
    KeyType::Rsa4096,
    KeyType::MlDsa44,
    KeyType::MlDsa65,
    KeyType::MlDsa87,
];

fn mechanisms() -> Vec<Mechanism> {
    let rsa = Hash::ALL.into_iter().flat_map(|hash| [Mechanism::RsaPkcs1v15(hash), Mechanism::RsaPss(hash)]);

    [Mechanism::Ecdsa, Mechanism::Ed25519, Mechanism::MlDsa].into_iter().chain(rsa).collect()
}

fn master(digit: &str) -> MasterKey {
    digit.repeat(64).parse().unwrap()
}

/// The error and what lies behind it, as an operator reads them.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
