//! What a guest that reaches for more than its operation gets.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::Error;
use crate::audit::Operation;
use crate::failure::FailureKind;
use crate::gateway::OnDuplicate;
use crate::grant::Use;
use crate::import::Material;
use crate::key::{Key, NativeId, State};
use crate::testing::{Conduct, TestToken, World, material};

/// Creates a key with an honest provider, then signs with one of this conduct.
async fn sign_with(conduct: Conduct) -> (World, Result<(), Error>) {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.behave(conduct);
    let signed = world.sign("a").await.map(drop);

    (world, signed)
}

#[tokio::test]
async fn an_honest_provider_signs_with_one_call() {
    let (world, signed) = sign_with(Conduct::Honest).await;

    signed.unwrap();
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 1);
    assert_eq!(world.events(Operation::Sign), ["ok"]);
}

#[tokio::test]
async fn what_is_not_the_operations_own_is_denied_before_the_token_is_asked() {
    for conduct in [
        Conduct::OtherObject("00".repeat(16)),
        Conduct::OtherMechanism,
        Conduct::OutsideOperation,
        Conduct::OtherProvider,
        Conduct::OtherOperation,
    ] {
        let (world, signed) = sign_with(conduct.clone()).await;

        assert!(matches!(signed, Err(Error::Misconfigured(_))), "{conduct:?}: {signed:?}");
        assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 0, "{conduct:?}");
        assert_eq!(world.events(Operation::Sign), ["failed:misconfigured"]);
    }
}

#[tokio::test]
async fn another_keys_object_is_denied_even_if_it_is_the_same_tenants() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    let other = world.create("b", OnDuplicate::Conflict).await.unwrap();
    world.behave(Conduct::OtherObject(other.id.to_string()));

    assert!(matches!(world.sign("a").await, Err(Error::Misconfigured(_))));
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_key_is_named_by_its_key_id_or_by_its_native_id_and_no_other_key_by_either() {
    let world = World::new();
    world.backend.names.store(true, Ordering::Relaxed);
    let own = world.create("a", OnDuplicate::Conflict).await.unwrap();
    let other = world.create("b", OnDuplicate::Conflict).await.unwrap();
    let names = |key: &Key| [key.id.to_string(), key.native_id.as_ref().unwrap().as_str().to_owned()];

    for name in names(&own) {
        world.behave(Conduct::OtherObject(name.clone()));
        assert!(world.sign("a").await.is_ok(), "{name}");
    }
    for name in names(&other) {
        world.behave(Conduct::OtherObject(name.clone()));
        assert!(matches!(world.sign("a").await, Err(Error::Misconfigured(_))), "{name}");
    }
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_nearly_a_keys_name_is_none(
        is_key_id: bool,
        at in any::<Index>(),
        more in "|[\\x00-\\x7f]|%2F|%00|\\.\\./|\u{fe0f}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            world.backend.names.store(true, Ordering::Relaxed);
            let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
            let native_id = key.native_id.as_ref().unwrap().as_str().to_owned();
            let name = if is_key_id { key.id.to_string() } else { native_id };

            let at = at.index(name.len());
            let (before, after) = name.split_at(at);
            let cut = &after[1..];
            for other in [format!("{before}{more}{after}x"), format!("{before}{more}{cut}"), name.to_uppercase() + &more] {
                let is_own = other == key.id.to_string() || Some(&*other) == key.native_id.as_ref().map(NativeId::as_str);
                world.behave(Conduct::OtherObject(other.clone()));
                assert_eq!(world.sign("a").await.is_ok(), is_own, "{other:?}");
            }
        });
    }
}

#[tokio::test]
async fn an_operation_allows_one_signature() {
    let (world, signed) = sign_with(Conduct::SignsTwice).await;

    assert!(signed.is_err());
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_that_custody_did_not_see_never_leaves() {
    for conduct in [Conduct::Forges, Conduct::Tampers] {
        let (world, signed) = sign_with(conduct.clone()).await;

        assert!(matches!(signed, Err(Error::Internal(_))), "{conduct:?}: {signed:?}");
        assert_eq!(world.events(Operation::Sign), ["failed:internal"]);
    }
}

#[tokio::test]
async fn a_signature_of_another_key_never_leaves_a_custodian_that_may_mistake_one_for_the_other() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.backend.verified.store(true, Ordering::Relaxed);
    world.sign("a").await.unwrap();
    world.backend.confused.store(true, Ordering::Relaxed);

    let signed = world.sign("a").await;
    assert!(matches!(signed, Err(Error::KeyLost(_))), "{signed:?}");
    assert_eq!(world.events(Operation::Sign), ["ok", "failed:key_lost"]);
    // It was told to find the object again.
    world.sign("a").await.unwrap();
}

#[tokio::test]
async fn what_a_custodian_fails_with_is_counted_and_on_record() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    *world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);
    world.sign("a").await.unwrap_err();
    world.sign("a").await.unwrap_err();

    let failures = world.gateway.custodian_failures();
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].code.as_str(), failures[0].count), ("unavailable", 2));
    let events = world.audit.events.lock().unwrap();
    assert_eq!(events.last().unwrap().detail.as_deref(), Some("the token was told to fail"));
}

#[tokio::test]
async fn a_call_that_is_over_can_do_nothing_more() {
    let (world, _) = sign_with(Conduct::Lingers).await;

    let lingering = world.provider.linger().await;
    assert_eq!(lingering.unwrap_err().kind, FailureKind::Denied);
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_guest_is_told_how_its_operations_key_stands_and_no_other() {
    let world = World::new();
    let own = world.create("a", OnDuplicate::Conflict).await.unwrap();
    let other = world.create("b", OnDuplicate::Conflict).await.unwrap();
    let asked = || world.backend.looked_at.load(Ordering::Relaxed);

    world.behave(Conduct::LooksAt(own.id.to_string()));
    world.sign("a").await.unwrap();
    assert_eq!(asked(), 1);

    for object in [other.id.to_string(), "00".repeat(16), String::new()] {
        world.behave(Conduct::LooksAt(object.clone()));
        let signed = world.sign("a").await;
        assert!(matches!(signed, Err(Error::Misconfigured(_))), "{object}: {signed:?}");
    }
    assert_eq!((asked(), world.backend.signatures.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn nobody_is_told_how_a_key_stands_when_its_operation_is_over() {
    let (world, _) = sign_with(Conduct::Lingers).await;

    let lingering = world.provider.look_back().await;
    assert_eq!(lingering.unwrap_err().kind, FailureKind::Denied);
    assert_eq!(world.backend.looked_at.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn how_a_key_stands_is_told_as_often_as_its_public_half_and_by_the_same_grant() {
    let (world, signed) = sign_with(Conduct::LooksOften(5)).await;
    assert!(matches!(signed, Err(Error::Misconfigured(_))), "{signed:?}");
    assert_eq!(world.backend.looked_at.load(Ordering::Relaxed), 4);

    let world = World::with(|grant| grant.uses.retain(|granted| *granted != Use::PublicKey));
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.behave(Conduct::LooksOften(1));
    assert!(matches!(world.sign("a").await, Err(Error::Misconfigured(_))));
    assert_eq!(world.backend.looked_at.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_asked_for_after_the_deadline_is_denied() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.behave(Conduct::Late(world.clock.clone()));

    world.sign("a").await.unwrap_err();
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_not_granted_is_denied() {
    let world = World::with(|grant| grant.uses.retain(|granted| *granted != Use::Sign));
    world.create("a", OnDuplicate::Conflict).await.unwrap();

    assert!(matches!(world.sign("a").await, Err(Error::Misconfigured(_))));
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_create_whose_answer_is_not_the_custodians_fails_and_leaves_nothing() {
    for conduct in [
        Conduct::OtherPublicKey(TestToken::fixed_public()),
        Conduct::OtherPublicKey(b"no key".to_vec()),
        Conduct::CreatesNothing,
        Conduct::LongHandle,
        Conduct::OtherOperation,
    ] {
        let world = World::new();
        world.behave(conduct.clone());
        let created = world.create("a", OnDuplicate::Conflict).await;
        world.behave(Conduct::Honest);
        world.gateway.reap().await.unwrap();

        assert!(created.is_err(), "{conduct:?}");
        assert!(world.backend.objects.lock().unwrap().is_empty(), "{conduct:?}");
        assert_eq!(world.keys.0.lock().unwrap()[0].state, State::Destroyed, "{conduct:?}");
    }
}

#[tokio::test]
async fn an_honest_provider_has_the_given_key_taken_over_with_one_call() {
    let world = World::new();
    let Material::Ec { key_type, scalar, point } = material() else { panic!("another kind") };
    let given = Material::Ec { key_type, scalar, point: point.clone() };

    let key = world.import("a", given).await.unwrap();

    assert!(key.public.as_ref().unwrap().der().ends_with(&point));
    assert_eq!(world.backend.imports.load(Ordering::Relaxed), 1);
    assert_eq!(world.events(Operation::Import), ["ok"]);
    world.sign("a").await.unwrap();
}

#[tokio::test]
async fn what_is_not_the_imports_own_is_denied_and_leaves_nothing() {
    for (conduct, imports) in
        [(Conduct::OtherReference, 0), (Conduct::SwapsSources, 0), (Conduct::ImportsTwice, 1)]
    {
        let world = World::new();
        world.behave(conduct.clone());
        let imported = world.import("a", material()).await;
        world.behave(Conduct::Honest);
        world.gateway.reap().await.unwrap();

        assert!(matches!(imported, Err(Error::Misconfigured(_))), "{conduct:?}: {imported:?}");
        assert_eq!(world.backend.imports.load(Ordering::Relaxed), imports, "{conduct:?}");
        assert_eq!(world.events(Operation::Import), ["failed:misconfigured"]);
        assert!(world.backend.objects.lock().unwrap().is_empty(), "{conduct:?}");
        assert_eq!(world.keys.0.lock().unwrap()[0].state, State::Destroyed, "{conduct:?}");
    }
}

#[tokio::test]
async fn a_create_takes_over_no_key() {
    let world = World::new();
    world.behave(Conduct::SwapsSources);

    let created = world.create("a", OnDuplicate::Conflict).await;

    assert!(matches!(created, Err(Error::Misconfigured(_))), "{created:?}");
    assert_eq!(world.backend.imports.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_denied() {
    let world = World::with(|grant| grant.uses.retain(|granted| *granted != Use::Import));

    let imported = world.import("a", material()).await;

    assert!(matches!(imported, Err(Error::Misconfigured(_))), "{imported:?}");
    assert_eq!(world.backend.imports.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_import_whose_answer_is_not_the_custodians_fails_and_leaves_nothing() {
    let world = World::new();
    world.behave(Conduct::OtherPublicKey(TestToken::fixed_public()));

    let imported = world.import("a", material()).await;
    world.behave(Conduct::Honest);
    world.gateway.reap().await.unwrap();

    assert!(matches!(imported, Err(Error::Internal(_))), "{imported:?}");
    assert!(world.backend.objects.lock().unwrap().is_empty());
}

#[tokio::test]
async fn halves_that_do_not_belong_together_are_the_callers_fault() {
    let world = World::new();
    let (Material::Ec { key_type, scalar, .. }, Material::Ec { point, .. }) = (material(), material()) else {
        panic!("another kind")
    };

    let imported = world.import("a", Material::Ec { key_type, scalar, point }).await;

    assert!(matches!(imported, Err(Error::InvalidRequest { .. })), "{imported:?}");
    assert!(world.backend.objects.lock().unwrap().is_empty());
}
