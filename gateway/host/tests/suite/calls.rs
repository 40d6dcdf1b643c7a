//! What passes between the gateway, a guest and custody.

use std::sync::Arc;
use std::time::Duration;

use keyport_core::FailureKind;
use keyport_core::custody::Mechanism;
use keyport_core::grant::{ConnectionKind, Grants, Use};
use keyport_core::provider::Sign;
use keyport_core::scheme::KeyType;
use keyport_host::{Instances, Limits, Source};

use crate::support::{
    Asked, Bench, KEY_ID, OPERATION, PKCS11, REFERENCE, SIGNATURE, SOFT, What, call, create, grant, hostile,
    import, key, sign, source, with_setting,
};

#[tokio::test]
async fn every_export_reaches_custody_with_operation_provider_connection_and_object() {
    let bench = Bench::new();
    let soft = bench.load(source("soft", &**SOFT)).await;

    let created = soft.provider.create_key(call("a"), create()).await.unwrap();
    assert_eq!((created.handle, &*created.public_key), (None, &b"spki"[..]));
    let imported = soft.provider.import_key(call("a"), import()).await.unwrap();
    assert_eq!((imported.handle, &*imported.public_key), (None, &b"spki"[..]));
    assert_eq!(soft.provider.public_key(call("a"), key()).await.unwrap(), b"spki");
    assert_eq!(soft.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
    soft.provider.destroy_key(call("a"), key()).await.unwrap();
    soft.provider.health(call("a")).await.unwrap();

    let asked = |what, object: &str| Asked {
        what,
        operation: OPERATION,
        provider: soft.id,
        connection: "embedded".to_owned(),
        object: object.to_owned(),
    };
    assert_eq!(
        bench.custody.asked(),
        [
            asked(What::Generate(KeyType::EcP256), KEY_ID),
            asked(What::Import(KeyType::EcP256, REFERENCE.to_owned()), KEY_ID),
            asked(What::PublicKey, KEY_ID),
            asked(What::Sign(Mechanism::Ecdsa), KEY_ID),
            asked(What::Destroy, KEY_ID),
            asked(What::Health, ""),
        ]
    );
}

#[tokio::test]
async fn each_scheme_that_the_embedded_token_offers_asks_for_its_mechanism() {
    let bench = Bench::new();
    let soft = bench.load(source("soft", &**SOFT)).await;

    for scheme in soft.descriptor.offers.iter().flat_map(|(_, schemes)| schemes) {
        assert_eq!(
            soft.provider.sign(call("a"), Sign { scheme: *scheme, ..sign() }).await.unwrap(),
            SIGNATURE
        );

        let asked = bench.custody.asked().pop().unwrap();
        assert!(matches!(asked.what, What::Sign(mechanism) if mechanism.fits(*scheme)), "{scheme} {asked:?}");
        assert_eq!((asked.operation, &*asked.object), (OPERATION, KEY_ID));
    }
}

#[tokio::test]
async fn the_descriptor_is_what_the_guest_says() {
    let soft = Bench::new().load(source("soft", &**SOFT)).await;

    assert_eq!(soft.descriptor.name, "soft");
    assert!(soft.descriptor.makes(KeyType::MlDsa44) && !soft.descriptor.makes(KeyType::EcSecp256k1));
}

#[tokio::test]
async fn what_the_guest_names_is_passed_on_and_what_custody_says_comes_back() {
    let bench = Bench::new();
    let other = bench.load(with_setting(hostile("other-object"), "object", "another")).await;

    let failure = other.provider.sign(call("a"), sign()).await.unwrap_err();

    assert_eq!(failure.kind, FailureKind::Denied);
    assert_eq!(bench.custody.asked()[0].object, "another");
}

#[tokio::test]
async fn whatever_a_guest_asks_for_in_place_of_an_import_reaches_custody_as_it_was_asked() {
    let bench = Bench::new();
    let (key_type, own) = (KeyType::EcP256, What::Import(KeyType::EcP256, REFERENCE.to_owned()));

    for (mode, expected) in [
        ("import-other-reference", vec![What::Import(key_type, "e".repeat(32))]),
        ("import-twice", vec![own.clone(), own]),
        ("generate-in-import", vec![What::Generate(key_type)]),
    ] {
        let before = bench.custody.asked().len();
        let loaded = bench.hostile(mode).await;
        loaded.provider.import_key(call("a"), import()).await.unwrap();

        let asked = bench.custody.asked().split_off(before);
        assert!(asked.iter().all(|asked| asked.provider == loaded.id && asked.operation == OPERATION));
        assert_eq!(asked.into_iter().map(|asked| asked.what).collect::<Vec<_>>(), expected, "{mode}");
    }

    let loaded = bench.hostile("import-in-create").await;
    loaded.provider.create_key(call("a"), create()).await.unwrap();
    assert_eq!(
        bench.custody.asked().pop().unwrap().what,
        What::Import(key_type, "e".repeat(32)),
        "import-in-create"
    );
}

#[tokio::test]
async fn no_capability_answers_while_a_guest_describes_itself() {
    let bench = Bench::new();
    let loaded = bench.load(with_setting(hostile("sign-in-describe"), "object", KEY_ID)).await;

    let (_, outcome) = &loaded.descriptor.properties[0];
    assert!(outcome.contains("Denied"), "{outcome}");
    assert_eq!(bench.custody.asked(), []);
}

#[tokio::test]
async fn every_kind_of_failure_comes_out_as_it_was_said() {
    let bench = Bench::new();

    for (name, kind) in [
        ("invalid-argument", FailureKind::InvalidArgument),
        ("not-found", FailureKind::NotFound),
        ("key-gone", FailureKind::KeyGone),
        ("exists", FailureKind::Exists),
        ("denied", FailureKind::Denied),
        ("credentials", FailureKind::Credentials),
        ("operator-needed", FailureKind::OperatorNeeded),
        ("unsupported", FailureKind::Unsupported),
        ("throttled", FailureKind::Throttled),
        ("unavailable", FailureKind::Unavailable),
        ("internal", FailureKind::Internal),
        ("other", FailureKind::Other),
    ] {
        let loaded = bench.load(with_setting(hostile("error-kinds"), "kind", name)).await;
        let failure = loaded.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!((failure.kind, failure.code), (kind, 7));
        assert_eq!(failure.retry_after, Some(Duration::from_millis(1500)));
    }
}

#[tokio::test]
async fn what_a_call_uses_is_counted() {
    let bench = Bench::new();
    let soft = bench.load(source("soft", &**SOFT)).await;
    let hsm = Source {
        grants: Arc::new(Grants::new(vec![grant("hsm", ConnectionKind::Pkcs11, &Use::ALL)])),
        ..source("hsm", &**PKCS11)
    };
    let pkcs11 = bench.load(hsm).await;
    let growing = bench.hostile("grow-memory").await;

    for (loaded, host_calls) in [(&soft, 1), (&pkcs11, 3)] {
        let before = bench.stats(loaded).host_calls;
        loaded.provider.sign(call("a"), sign()).await.unwrap();
        assert_eq!(bench.stats(loaded).host_calls - before, host_calls, "{}", loaded.name);
    }

    let (small, limit) = (bench.stats(&growing).memory, Limits::default().memory);
    growing.provider.sign(call("a"), sign()).await.unwrap();
    let large = bench.stats(&growing).memory;
    assert!(0 < small && small < large && large <= limit, "{small} {large}");
}

#[tokio::test]
async fn a_guest_reads_its_own_settings_and_no_other_providers() {
    let bench = Bench::new();
    let providers = ["one's", "other's"].map(|word| with_setting(hostile("tell-settings"), "word", word));
    let [one, other] = providers.map(async |source| bench.load(source).await);
    let (one, other) = (one.await, other.await);

    for (loaded, own, others) in [(&one, "one's", "other's"), (&other, "other's", "one's")] {
        let told = loaded.provider.sign(call("a"), sign()).await.unwrap_err().message;
        assert!(told.contains(own) && !told.contains(others), "{told}");
    }
}

#[tokio::test]
async fn a_fresh_instance_remembers_nothing() {
    let bench = Bench::new();
    let counting = bench.hostile("keep-state").await;

    for _ in 0..3 {
        assert_eq!(counting.provider.sign(call("a"), sign()).await.unwrap_err().code, 1);
    }
}

#[tokio::test]
async fn a_reused_instance_serves_one_tenant_and_within_its_bounds() {
    let bench = Bench::new();
    let mut source = hostile("keep-state");
    source.instances = Instances::Reuse { calls: 3, age: Duration::from_secs(60) };
    let counting = bench.load(source).await;
    let count = async |tenant| counting.provider.sign(call(tenant), sign()).await.unwrap_err().code;

    assert_eq!((count("a").await, count("a").await), (1, 2));
    assert_eq!(count("b").await, 1);
    assert_eq!((count("a").await, count("a").await), (3, 1));
}

#[tokio::test]
async fn an_instance_that_has_come_of_age_is_not_reused() {
    let bench = Bench::new();
    let mut source = hostile("keep-state");
    source.instances = Instances::Reuse { calls: 9, age: Duration::ZERO };
    let counting = bench.load(source).await;

    for _ in 0..2 {
        assert_eq!(counting.provider.sign(call("a"), sign()).await.unwrap_err().code, 1);
    }
}
