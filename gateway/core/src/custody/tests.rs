//! What a guest that reaches for more than its operation gets.

use std::sync::atomic::Ordering;

use crate::Error;
use crate::audit::Operation;
use crate::failure::FailureKind;
use crate::gateway::OnDuplicate;
use crate::grant::Use;
use crate::key::State;
use crate::testing::{Conduct, TestToken, World};

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
async fn a_call_that_is_over_can_do_nothing_more() {
    let (world, _) = sign_with(Conduct::Lingers).await;

    let lingering = world.provider.linger().await;
    assert_eq!(lingering.unwrap_err().kind, FailureKind::Denied);
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
