//! Guests of key management services: what reaches custody.

use std::sync::Arc;

use keyport_core::FailureKind;
use keyport_core::custody::KeyState;
use keyport_core::custody::Mechanism;
use keyport_core::grant::{ConnectionKind, Grants, Use};
use keyport_core::outside::Timestamp;
use keyport_core::provider::Sign;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_host::Source;

use crate::support::{
    Asked, Bench, HOSTILE_CLOUD_KMS, KEY_ID, OPERATION, SERVICES, SIGNATURE, What, call, create, grant, key,
    sign, source, with_setting,
};

#[tokio::test]
async fn every_export_reaches_custody_whatever_kind_of_service_is_granted() {
    for (component, kind) in SERVICES.iter().zip([
        ConnectionKind::Aws,
        ConnectionKind::Azure,
        ConnectionKind::Gcp,
        ConnectionKind::Vault,
    ]) {
        let bench = Bench::new();
        let loaded = bench
            .load(Source { grants: granted(&[("kms", kind)]), ..source("kms", component.clone()) })
            .await;

        let created = loaded.provider.create_key(call("a"), create()).await.unwrap();
        assert_eq!((created.handle, &*created.public_key), (None, &b"spki"[..]));
        assert_eq!(loaded.provider.public_key(call("a"), key()).await.unwrap(), b"spki");
        assert_eq!(loaded.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
        loaded.provider.destroy_key(call("a"), key()).await.unwrap();
        loaded.provider.health(call("a")).await.unwrap();

        let asked = |what, object: &str| Asked {
            what,
            operation: OPERATION,
            provider: loaded.id,
            connection: "kms".to_owned(),
            object: object.to_owned(),
        };
        assert_eq!(
            bench.custody.asked(),
            [
                asked(What::Generate(KeyType::EcP256), KEY_ID),
                asked(What::PublicKey, KEY_ID),
                asked(What::Sign(Mechanism::Ecdsa), KEY_ID),
                asked(What::Destroy, KEY_ID),
                asked(What::Health, ""),
            ]
        );
    }
}

#[tokio::test]
async fn each_scheme_that_a_service_offers_asks_for_its_mechanism() {
    for component in SERVICES.iter() {
        let bench = Bench::new();
        let granted = granted(&[("kms", ConnectionKind::Vault)]);
        let loaded = bench.load(Source { grants: granted, ..source("kms", component.clone()) }).await;

        for scheme in loaded.descriptor.offers.iter().flat_map(|(_, schemes)| schemes) {
            loaded.provider.sign(call("a"), Sign { scheme: *scheme, ..sign() }).await.unwrap();

            let asked = bench.custody.asked().pop().unwrap().what;
            assert!(matches!(asked, What::Sign(mechanism) if mechanism.fits(*scheme)), "{scheme} {asked:?}");
        }
    }
}

#[tokio::test]
async fn whatever_a_guest_asks_a_service_for_instead_reaches_custody_as_it_was_asked() {
    let bench = Bench::new();
    let ecdsa = || What::Sign(Mechanism::Ecdsa);

    for (mode, expected) in [
        ("create-in-sign", vec![What::Generate(KeyType::EcP256), ecdsa()]),
        ("delete-in-sign", vec![What::Destroy, ecdsa()]),
        ("other-algorithm", vec![What::Sign(Mechanism::RsaPss(Hash::Sha256))]),
        ("other-spec", vec![What::Generate(KeyType::Rsa4096)]),
        ("other-state", vec![What::State, ecdsa()]),
        ("sign-in-health", vec![ecdsa()]),
        ("sign-twice", vec![ecdsa(), ecdsa()]),
    ] {
        let before = bench.custody.asked().len();
        let loaded = bench.load(with_setting(hostile(mode), "object", KEY_ID)).await;
        match mode {
            "other-spec" => drop(loaded.provider.create_key(call("a"), create()).await.unwrap()),
            "sign-in-health" => loaded.provider.health(call("a")).await.unwrap(),
            _ => drop(loaded.provider.sign(call("a"), sign()).await.unwrap()),
        }

        let asked = bench.custody.asked().split_off(before);
        let own = |asked: &Asked| {
            (asked.provider, asked.operation, &*asked.object) == (loaded.id, OPERATION, KEY_ID)
        };
        assert!(asked.iter().all(own), "{mode}");
        assert_eq!(asked.into_iter().map(|asked| asked.what).collect::<Vec<_>>(), expected, "{mode}");
    }
}

#[tokio::test]
async fn a_guest_is_told_how_its_key_stands_in_words_of_its_own() {
    let bench = Bench::new();
    let loaded = bench.load(hostile("state")).await;

    for (state, told) in [
        (KeyState::Enabled, "Enabled"),
        (KeyState::Disabled, "Disabled"),
        (KeyState::Pending, "Pending"),
        (KeyState::PendingDeletion(None), "PendingDeletion(None)"),
        (KeyState::PendingDeletion(Some(Timestamp(1_500))), "PendingDeletion(Some(1.5s))"),
        (KeyState::Gone, "Gone"),
        (KeyState::Unavailable, "Unavailable"),
    ] {
        *bench.custody.state.lock().unwrap() = state;
        let failed = loaded.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!((failed.kind, &*failed.message), (FailureKind::Other, told));
        assert_eq!(bench.custody.asked().pop().unwrap().what, What::State);
    }
}

#[tokio::test]
async fn how_another_key_stands_is_custodys_to_refuse() {
    let bench = Bench::new();
    let other = bench.load(with_setting(hostile("other-state"), "object", "another")).await;

    let refused = other.provider.sign(call("a"), sign()).await.unwrap_err();

    let asked = bench.custody.asked();
    assert_eq!((refused.kind, asked.len()), (FailureKind::Denied, 1));
    assert_eq!((&asked[0].what, &*asked[0].object), (&What::State, "another"));
}

#[tokio::test]
async fn an_algorithm_over_what_it_does_not_take_is_unsupported_and_custody_is_not_asked() {
    let bench = Bench::new();
    let turned = bench.load(hostile("other-message-type")).await;

    for scheme in [Scheme::Ecdsa(Hash::Sha256), Scheme::Ed25519, Scheme::MlDsa] {
        let refused = turned.provider.sign(call("a"), Sign { scheme, ..sign() }).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unsupported, "{scheme}");
    }
    assert_eq!(bench.custody.asked(), []);
}

#[tokio::test]
async fn a_service_that_is_not_granted_is_denied_and_another_key_is_custodys_to_refuse() {
    let bench = Bench::new();
    let granted = granted(&[("kms", ConnectionKind::Gcp), ("hsm", ConnectionKind::Pkcs11)]);

    for connection in ["hsm", "other", "", "no such / name"] {
        let source = Source { grants: granted.clone(), ..hostile("other-connection") };
        let loaded = bench.load(with_setting(source, "connection", connection)).await;
        let refused = loaded.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!(refused.kind, FailureKind::Denied, "{connection}");
    }
    assert_eq!(bench.custody.asked(), []);

    let other = bench.load(with_setting(hostile("other-object"), "object", "another")).await;
    let refused = other.provider.sign(call("a"), sign()).await.unwrap_err();
    assert_eq!((refused.kind, &*bench.custody.asked()[0].object), (FailureKind::Denied, "another"));
}

#[tokio::test]
async fn no_service_answers_while_a_guest_describes_itself() {
    let bench = Bench::new();
    let loaded = bench.load(with_setting(hostile("sign-in-describe"), "object", KEY_ID)).await;

    let (_, outcome) = &loaded.descriptor.properties[0];
    assert!(outcome.contains("Denied"), "{outcome}");
    assert_eq!(bench.custody.asked(), []);
}

/// The guest that misbehaves over services, to be loaded as an outsider's with one of them.
fn hostile(mode: &str) -> Source {
    let grants = granted(&[("kms", ConnectionKind::Aws)]);

    with_setting(Source { grants, ..source("hostile", &**HOSTILE_CLOUD_KMS) }, "mode", mode)
}

/// Grants of every use of these connections.
fn granted(connections: &[(&str, ConnectionKind)]) -> Arc<Grants> {
    let granted = connections.iter().map(|(name, kind)| grant(name, *kind, &Use::ALL));

    Arc::new(Grants::new(granted.collect()))
}
