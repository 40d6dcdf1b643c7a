//! What is promised of derived keys.

use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use keyport_core::key::KeyName;

use super::*;

#[tokio::test]
async fn the_same_seed_scope_and_name_are_the_same_key_whatever_its_key_id() {
    let (one, other) = (derived(SEED, None), derived(SEED, None));
    let (made, again) = (make(&one, "acme", "demo", 1).await, make(&other, "acme", "demo", 2).await);

    assert_eq!(made.public, again.public);
    assert_eq!(made.native_id, again.native_id);
    let of_one = one.sign(&object(&made, 1), Mechanism::Ed25519, b"message", soon()).await.unwrap();
    let of_other = other.sign(&object(&again, 2), Mechanism::Ed25519, b"message", soon()).await.unwrap();
    assert_eq!(of_one, of_other);
}

#[tokio::test]
async fn another_seed_scope_tenant_or_name_is_another_key() {
    let usual = make(&derived(SEED, None), "acme", "demo", 1).await;

    for other in [
        make(&derived(&"07".repeat(32), None), "acme", "demo", 1).await,
        make(&derived(SEED, Some("lab")), "acme", "demo", 1).await,
        make(&derived(SEED, None), "globex", "demo", 1).await,
        make(&derived(SEED, None), "acme", "demo2", 1).await,
    ] {
        assert_ne!(other.public, usual.public, "{other:?}");
    }
}

#[tokio::test]
async fn the_native_id_says_what_a_key_is_derived_of() {
    let usual = make(&derived(SEED, None), "acme", "demo", 1).await;
    let scoped = make(&derived(SEED, Some("lab")), "acme", "a|b", 1).await;

    assert_eq!(usual.native_id.as_str(), "software:acme|demo");
    assert_eq!(scoped.native_id.as_str(), "software:lab|a|b");
    // The vector of `seed.rs`, behind the header of an Ed25519 SubjectPublicKeyInfo (RFC 8410, section 4).
    assert_eq!(
        hex::encode(usual.public.der()),
        "302a300506032b6570032100905933bf957648fb07bce8200914bac21ca72acbe2c6b715fb0cfee0391f3250"
    );
}

#[tokio::test]
async fn a_signature_verifies_and_a_change_of_scope_leaves_old_keys_as_they_are() {
    let made = make(&derived(SEED, None), "acme", "demo", 1).await;
    let later = derived(SEED, Some("lab"));

    let signature = later.sign(&object(&made, 1), Mechanism::Ed25519, b"message", soon()).await.unwrap();
    let public = hex::decode("905933bf957648fb07bce8200914bac21ca72acbe2c6b715fb0cfee0391f3250").unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(b"message", &signature).unwrap();
    assert_eq!(later.public_key(&object(&made, 1), soon()).await.unwrap(), made.public);
}

#[tokio::test]
async fn what_is_not_ed25519_is_unsupported_and_what_is_not_derived_is_not_there() {
    let derived = derived(SEED, None);
    let made = make(&derived, "acme", "demo", 1).await;

    let p256 = Generate { key_type: KeyType::EcP256, ..request("acme", "demo", 1) };
    assert_eq!(derived.generate(p256, soon()).await.unwrap_err().kind, FailureKind::Unsupported);
    let ecdsa = derived.sign(&object(&made, 1), Mechanism::Ecdsa, &[0; 32], soon()).await;
    assert_eq!(ecdsa.unwrap_err().kind, FailureKind::Unsupported);

    for foreign in ["0123", "software:", "software:acme", "acme|demo"] {
        let object = Object { native_id: NativeId::new(foreign), ..object(&made, 1) };
        let refused = derived.sign(&object, Mechanism::Ed25519, b"message", soon()).await;
        assert_eq!(refused.unwrap_err().kind, FailureKind::NotFound, "{foreign}");
    }
}

#[test]
fn the_identity_tells_seeds_and_scopes_apart() {
    let identities = [
        derived(SEED, None),
        derived(SEED, Some("lab")),
        derived(SEED, Some("prod")),
        derived(&"07".repeat(32), None),
    ]
    .map(|derived| derived.identity().to_owned());

    for (place, identity) in identities.iter().enumerate() {
        assert_eq!(identities.iter().position(|other| other == identity), Some(place), "{identities:?}");
    }
    assert_eq!(derived(SEED, None).identity(), identities[0]);
}

fn derived(seed: &str, scope: Option<&str>) -> Derived {
    Derived::new(seed.parse().unwrap(), scope.map(|scope| scope.parse().unwrap())).unwrap()
}

async fn make(derived: &Derived, tenant: &str, name: &str, number: u8) -> Generated {
    derived.generate(request(tenant, name, number), soon()).await.unwrap()
}

fn request(tenant: &str, name: &str, number: u8) -> Generate {
    Generate {
        tenant: tenant.parse().unwrap(),
        key_id: key_id(number),
        name: KeyName::new("name", name).unwrap(),
        key_type: KeyType::Ed25519,
    }
}

fn object(made: &Generated, number: u8) -> Object {
    Object {
        tenant: "acme".parse().unwrap(),
        key_id: key_id(number),
        native_id: made.native_id.clone(),
        key_type: KeyType::Ed25519,
    }
}

fn key_id(number: u8) -> KeyId {
    hex::encode([number; 16]).parse().unwrap()
}

fn soon() -> Instant {
    tokio::time::Instant::now().into_std() + Duration::from_secs(10)
}

/// The bytes 0 to 31.
const SEED: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
