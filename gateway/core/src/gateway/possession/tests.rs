//! Keys behind requests, made, used and destroyed by providers honest and not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Error;
use crate::audit::Operation;
use crate::gateway::{How, OnDuplicate, SignRequest};
use crate::input::Input;
use crate::key::State;
use crate::scheme::{Hash, Scheme};
use crate::testing::requests::{ServiceWorld, Trick};
use crate::testing::{CONNECTIONS, key_name};

async fn made(names: bool) -> ServiceWorld {
    let world = ServiceWorld::of_service(names);
    world.create("demo", OnDuplicate::Conflict).await.unwrap();

    world
}

#[tokio::test]
async fn a_key_behind_requests_signs_once_it_has_proven_that_it_can() {
    for names in [false, true] {
        let world = ServiceWorld::of_service(names);
        let key = world.create("demo", OnDuplicate::Conflict).await.unwrap();

        let native_id = key.native_id.as_ref().unwrap().as_str().to_owned();
        assert!(world.backend.keys.lock().unwrap().contains_key(&native_id));
        assert_eq!(
            world.backend.requests.load(Ordering::Relaxed),
            2,
            "one for the key, one for the challenge"
        );
        world.sign("demo").await.unwrap();
        assert_eq!(world.events(Operation::Create), ["intent", "ok"]);
        assert_eq!(world.events(Operation::Sign), ["intent", "ok"]);
    }
}

#[tokio::test]
async fn a_key_that_does_not_sign_the_challenge_is_none() {
    for trick in [Trick::OtherPublicKey, Trick::CreatesNothing, Trick::Forges] {
        let world = ServiceWorld::of_service(true);
        world.play(trick);

        world.create("demo", OnDuplicate::Conflict).await.unwrap_err();
        assert!(world.backend.keys.lock().unwrap().is_empty(), "{trick:?} left a key");
        assert!(world.keys.0.lock().unwrap().iter().all(|row| row.state == State::Destroyed), "{trick:?}");
    }

    let world = ServiceWorld::of_service(false);
    world.backend.cannot_sign.store(true, Ordering::Relaxed);
    world.create("demo", OnDuplicate::Conflict).await.unwrap_err();
    assert!(world.backend.keys.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_custodian_that_hashes_by_itself_signs_messages_and_no_digests() {
    let world = ServiceWorld::of_hashing_service();
    let key = world.create("demo", OnDuplicate::Conflict).await.unwrap();

    let how = How::Scheme(Scheme::Ecdsa(Hash::Sha256));
    let input = Input::Message(b"hello".as_slice().into());
    let request = SignRequest { name: key_name("demo"), how, input: input.clone() };
    let signed = world.gateway.sign(&world.caller, world.context(), request).await.unwrap();
    let public = key.public.as_ref().unwrap();
    assert!(public.verifies(Scheme::Ecdsa(Hash::Sha256), &input, &signed.signature).unwrap());

    let before = world.backend.requests.load(Ordering::Relaxed);
    let refused = world.sign("demo").await.unwrap_err();
    assert!(matches!(refused, Error::InvalidRequest { field: "digest", .. }), "{refused:?}");
    let long = Input::Message(vec![0; 65537].into());
    let request = SignRequest { name: key_name("demo"), how, input: long };
    let refused = world.gateway.sign(&world.caller, world.context(), request).await.unwrap_err();
    assert!(matches!(refused, Error::InvalidRequest { field: "message", .. }), "{refused:?}");
    assert_eq!(world.backend.requests.load(Ordering::Relaxed), before);
}

#[tokio::test]
async fn no_signature_leaves_that_is_not_the_keys_own() {
    let world = made(false).await;
    world.play(Trick::Forges);

    let refused = world.sign("demo").await.unwrap_err();
    assert!(refused.detail().contains("not the key's"), "{}", refused.detail());
}

#[tokio::test]
async fn a_request_that_the_operation_does_not_cover_is_not_sent() {
    for trick in [Trick::OtherKey, Trick::CreatesAtSign] {
        let world = made(true).await;
        let before = world.backend.requests.load(Ordering::Relaxed);
        world.play(trick);

        assert!(matches!(world.sign("demo").await, Err(Error::Misconfigured(_))), "{trick:?}");
        assert_eq!(world.backend.requests.load(Ordering::Relaxed), before, "{trick:?} was sent");
    }
}

#[tokio::test]
async fn a_request_is_sent_no_oftener_than_it_may() {
    let world = made(true).await;
    let before = world.backend.requests.load(Ordering::Relaxed);
    world.play(Trick::SignsTwice);

    world.sign("demo").await.unwrap_err();
    assert_eq!(world.backend.requests.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn a_key_counts_as_destroyed_once_the_custodian_has_answered_so() {
    let world = made(true).await;
    world.gateway.delete(&world.caller, world.context(), key_name("demo"), Duration::ZERO).await.unwrap();

    world.play(Trick::KeepsKeys);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.keys.0.lock().unwrap()[0].state, State::Destroying);

    world.play(Trick::None);
    world.clock.advance(Duration::from_secs(3600));
    world.gateway.reap().await.unwrap();
    assert_eq!(world.keys.0.lock().unwrap()[0].state, State::Destroyed);
    assert!(world.backend.keys.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_guest_was_stopped_is_still_known_by_its_name_and_destroyed() {
    let world = Arc::new(ServiceWorld::of_service(true));
    let held = world.backend.gate.lock().await;
    let creator = world.clone();
    let creating = tokio::spawn(async move { creator.create("demo", OnDuplicate::Conflict).await });
    while world.backend.requests.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(600));
    creating.await.unwrap().unwrap_err();

    drop(held);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(3600));
    world.gateway.reap().await.unwrap();
    assert!(world.backend.keys.lock().unwrap().is_empty(), "an orphan");
}

/// What makes a key goes on where its guest was stopped, and counts until it has an answer.
#[tokio::test(start_paused = true)]
async fn no_more_requests_of_a_tenant_are_on_their_way_than_may_be_whatever_became_of_their_guests() {
    let world = Arc::new(made(true).await);
    let held = world.backend.gate.lock().await;
    let sent = world.backend.requests.load(Ordering::Relaxed);
    let creating: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move { world.create(&format!("key-{number}"), OnDuplicate::Conflict).await })
        })
        .collect();
    while world.backend.requests.load(Ordering::Relaxed) < sent + CONNECTIONS {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(600));
    for stopped in creating {
        stopped.await.unwrap().unwrap_err();
    }

    let refused = world.sign("demo").await;
    assert!(matches!(refused, Err(Error::Throttled { .. })), "{refused:?}");
    assert_eq!(world.gateway.connection_hits(&"test".parse().unwrap()).tenant, 1);
    assert_eq!(world.backend.requests.load(Ordering::Relaxed), sent + CONNECTIONS, "it was sent");
    drop(held);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.sign("demo").await.unwrap();
}
