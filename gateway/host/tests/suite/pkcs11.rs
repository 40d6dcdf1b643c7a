//! Guests of tokens behind PKCS#11: what reaches custody, and what they may hold.

use std::sync::Arc;

use keyport_core::FailureKind;
use keyport_core::custody::Mechanism;
use keyport_core::grant::{ConnectionKind, Grants, Use};
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_host::{Bound, Instances, Source};

use crate::support::{
    Asked, Bench, HOSTILE_PKCS11, KEY_ID, OPERATION, PKCS11, SIGNATURE, What, call, create, grant, key, sign,
    source, with_setting,
};

#[tokio::test]
async fn every_export_reaches_custody_with_operation_provider_connection_and_object() {
    let bench = Bench::new();
    let token = bench.load(Source { grants: tokens(&["hsm"]), ..source("token", &**PKCS11) }).await;

    let created = token.provider.create_key(call("a"), create()).await.unwrap();
    assert_eq!((created.handle, &*created.public_key), (None, &b"spki"[..]));
    assert_eq!(token.provider.public_key(call("a"), key()).await.unwrap(), b"spki");
    assert_eq!(token.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
    token.provider.destroy_key(call("a"), key()).await.unwrap();
    token.provider.health(call("a")).await.unwrap();

    let asked = |what, object: &str| Asked {
        what,
        operation: OPERATION,
        provider: token.id,
        connection: "hsm".to_owned(),
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

#[tokio::test]
async fn each_scheme_asks_for_the_mechanism_that_pkcs11_has_for_it() {
    let bench = Bench::new();
    let token = bench.load(Source { grants: tokens(&["hsm"]), ..source("token", &**PKCS11) }).await;
    let mut expected = vec![What::Sign(Mechanism::Ed25519)];

    let mut schemes = vec![Scheme::Ed25519];
    for hash in Hash::ALL {
        schemes.extend([Scheme::Ecdsa(hash), Scheme::RsaPkcs1v15(hash), Scheme::RsaPss(hash)]);
        expected.extend(
            [Mechanism::Ecdsa, Mechanism::RsaPkcs1v15DigestInfo, Mechanism::RsaPss(hash)].map(What::Sign),
        );
    }
    for scheme in schemes {
        let request = keyport_core::provider::Sign { scheme, ..sign() };
        token.provider.sign(call("a"), request).await.unwrap();
    }

    assert_eq!(bench.custody.asked().into_iter().map(|asked| asked.what).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn whatever_a_guest_asks_for_instead_reaches_custody_as_it_was_asked() {
    let bench = Bench::new();
    let ecdsa = || What::Sign(Mechanism::Ecdsa);

    for (mode, expected) in [
        ("destroy-in-sign", vec![What::Destroy, ecdsa()]),
        ("generate-in-sign", vec![What::Generate(KeyType::Ed25519), ecdsa()]),
        ("other-key-type", vec![What::Generate(KeyType::Rsa2048)]),
        ("other-mechanism", vec![What::Sign(Mechanism::RsaPss(Hash::Sha256))]),
        ("sign-in-create", vec![ecdsa(), What::Generate(KeyType::EcP256)]),
        ("sign-in-health", vec![ecdsa()]),
        ("sign-twice", vec![ecdsa(), ecdsa()]),
    ] {
        let before = bench.custody.asked().len();
        let loaded = bench.load(with_setting(hostile(mode), "object", KEY_ID)).await;
        match mode {
            "other-key-type" | "sign-in-create" => {
                drop(loaded.provider.create_key(call("a"), create()).await.unwrap());
            }
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
async fn what_the_guest_names_is_passed_on_and_what_custody_says_comes_back() {
    let bench = Bench::new();
    let other = bench.load(with_setting(hostile("other-object"), "object", "another")).await;

    let failure = other.provider.sign(call("a"), sign()).await.unwrap_err();

    assert_eq!(failure.kind, FailureKind::Denied);
    assert_eq!(bench.custody.asked()[0].object, "another");
}

#[tokio::test]
async fn of_several_tokens_the_named_one_is_asked_and_no_name_is_a_mistake() {
    let bench = Bench::new();
    let load = async |token| {
        let source = Source { grants: tokens(&["one", "two"]), ..hostile("other-token") };
        bench.load(with_setting(source, "token", token)).await
    };

    for token in ["one", "two"] {
        assert_eq!(load(token).await.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
        assert_eq!(bench.custody.asked().pop().unwrap().connection, token);
    }
    let unnamed = bench.load(Source { grants: tokens(&["one", "two"]), ..hostile("behave") }).await;
    let refused = unnamed.provider.sign(call("a"), sign()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::InvalidArgument);
}

#[tokio::test]
async fn a_name_is_a_granted_token_or_it_is_denied() {
    let bench = Bench::new();
    let granted = [("hsm", ConnectionKind::Pkcs11), ("embedded", ConnectionKind::Soft)]
        .map(|(connection, kind)| grant(connection, kind, &Use::ALL));
    let grants = Arc::new(Grants::new(granted.to_vec()));

    for token in ["embedded", "other", "", "no such / name"] {
        let source = Source { grants: grants.clone(), ..hostile("other-token") };
        let loaded = bench.load(with_setting(source, "token", token)).await;
        let refused = loaded.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!(refused.kind, FailureKind::Denied, "{token}");
    }
    assert_eq!(bench.custody.asked(), []);
}

#[tokio::test]
async fn parameters_that_the_gateway_does_not_use_are_unsupported_and_custody_is_not_asked() {
    let bench = Bench::new();
    let saltless = bench.load(hostile("saltless")).await;

    let refused = saltless.provider.sign(call("a"), sign()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::Unsupported);
    assert_eq!(bench.custody.asked(), []);
}

#[tokio::test]
async fn no_token_answers_while_a_guest_describes_itself() {
    let bench = Bench::new();
    let loaded = bench.load(with_setting(hostile("sign-in-describe"), "object", KEY_ID)).await;

    let (_, outcome) = &loaded.descriptor.properties[0];
    assert!(outcome.contains("Denied"), "{outcome}");
    assert_eq!(bench.custody.asked(), []);
}

#[tokio::test]
async fn a_guest_that_hoards_key_pairs_is_refused_at_the_bound() {
    let bench = Bench::new();
    let hoarding = bench.load(Source { instances: Instances::REUSE, ..hostile("hoard") }).await;

    for hits in 1..=2 {
        let refused = hoarding.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!((refused.kind, refused.code), (FailureKind::Internal, 16));
        assert_eq!(refused.message, "bound `resources` was hit");
        assert_eq!(bench.hits(&hoarding, Bound::Resources), hits);
    }
    // It let go of them all, and so its instance was used again.
    assert_eq!(bench.stats(&hoarding).instances, 2);
}

#[tokio::test]
async fn an_id_that_is_too_long_to_hold_is_denied() {
    let bench = Bench::new();

    for (length, asked) in [(1024, 1), (1025, 0)] {
        let before = bench.custody.asked().len();
        let source = with_setting(hostile("other-object"), "object", &"x".repeat(length));
        let failure = bench.load(source).await.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!(failure.kind, FailureKind::Denied);
        assert_eq!(bench.custody.asked().len() - before, asked, "{length}");
    }
}

#[tokio::test]
async fn an_instance_that_holds_a_key_pair_after_its_call_is_not_used_again() {
    let bench = Bench::new();

    for (mode, instances) in [("behave", 1), ("keep", 3)] {
        let loaded = bench.load(Source { instances: Instances::REUSE, ..hostile(mode) }).await;
        let described = bench.stats(&loaded).instances;
        for _ in 0..3 {
            assert_eq!(loaded.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
        }

        assert_eq!(bench.stats(&loaded).instances - described, instances, "{mode}");
    }
}

/// The guest that misbehaves over PKCS#11, to be loaded as an outsider's with one token.
fn hostile(mode: &str) -> Source {
    let source = Source { grants: tokens(&["hsm"]), ..source("hostile", &**HOSTILE_PKCS11) };

    with_setting(source, "mode", mode)
}

/// Grants of every use of these tokens.
fn tokens(connections: &[&str]) -> Arc<Grants> {
    let granted = connections.iter().map(|name| grant(name, ConnectionKind::Pkcs11, &Use::ALL));

    Arc::new(Grants::new(granted.collect()))
}
