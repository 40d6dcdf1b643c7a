//! Destroyed keys that are not restored.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{destroyed, give_up, restore, state, world};
use crate::Error;
use crate::audit::{Operation, Outcome};
use crate::gateway::{OnDuplicate, RegisterRequest, Versions};
use crate::key::State;
use crate::testing::{Conduct, World, key_name, served_by};

#[tokio::test]
async fn a_name_that_was_taken_keeps_its_key() {
    let (world, key) = world().await;
    let other = world.create("a", OnDuplicate::Conflict).await.unwrap();

    assert!(matches!(restore(&world, &key).await, Err(Error::KeyExists)));
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 0);
    assert_eq!(world.sign("a").await.unwrap().key.id, other.id);
}

#[tokio::test]
async fn an_object_that_was_registered_meanwhile_keeps_its_key() {
    let world = World::with(|grant| grant.objects.push("*".parse().unwrap()));
    world.backend.keeps.store(true, Ordering::Relaxed);
    let key = destroyed(&world, "a").await;
    // An operator restored it by hand, and had it registered.
    let kept = world.backend.kept.lock().unwrap().drain().collect::<Vec<_>>();
    world.backend.objects.lock().unwrap().extend(kept);
    let request = RegisterRequest {
        name: key_name("b"),
        object: format!("id:{}", key.id),
        digest_as_message: false,
        provider: None,
    };
    world.gateway.register(&world.caller, world.context(), request).await.unwrap();

    assert!(matches!(restore(&world, &key).await, Err(Error::KeyExists)));
    assert_eq!(state(&world, &key), State::Destroyed);
    world.sign("b").await.unwrap();
}

#[tokio::test]
async fn a_restored_key_counts_like_any_other() {
    let (world, key) = world().await;
    for number in 0..50 {
        world.create(&format!("other-{number}"), OnDuplicate::Conflict).await.unwrap();
    }

    assert!(matches!(restore(&world, &key).await, Err(Error::Throttled { .. })));
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 0);
    give_up(&world, "other-7").await;
    restore(&world, &key).await.unwrap();
    assert!(matches!(world.create("b", OnDuplicate::Conflict).await, Err(Error::Throttled { .. })));
}

#[tokio::test]
async fn a_custodian_that_keeps_nothing_restores_nothing() {
    let world = World::new();
    let key = destroyed(&world, "a").await;

    assert!(matches!(restore(&world, &key).await, Err(Error::Unsupported)));
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 0);
    assert_eq!(state(&world, &key), State::Destroyed);
    assert_eq!(world.events(Operation::Restore), ["refused:unsupported"]);
}

#[tokio::test]
async fn a_key_that_the_custodian_purged_is_not_found() {
    let (world, key) = world().await;
    world.backend.kept.lock().unwrap().clear();

    assert!(matches!(restore(&world, &key).await, Err(Error::KeyNotFound)));
    assert_eq!(state(&world, &key), State::Destroyed);
    assert_eq!(world.events(Operation::Restore), ["refused:key_not_found"]);
}

#[tokio::test]
async fn another_key_in_its_place_never_signs_for_it() {
    let (world, key) = world().await;
    world.backend.kept.lock().unwrap().clear();
    world.backend.add(key.native_id.as_ref().unwrap().as_str());

    assert!(matches!(restore(&world, &key).await, Err(Error::Internal(_))));
    assert_eq!(state(&world, &key), State::Destroyed);
    assert!(world.sign("a").await.is_err());
}

#[tokio::test]
async fn what_was_never_a_callers_or_never_destroyed_is_not_restored() {
    let world = World::with(|grant| grant.objects.push("*".parse().unwrap()));
    world.backend.keeps.store(true, Ordering::Relaxed);
    *world.audit.refusing.lock().unwrap() = Some((Operation::Create, Outcome::Ok));
    world.create("a", OnDuplicate::Conflict).await.unwrap_err();
    let failed = world.keys.0.lock().unwrap()[0].clone();
    assert_eq!(failed.state, State::Destroyed);
    assert!(matches!(restore(&world, &failed).await, Err(Error::KeyNotFound)));

    world.backend.add("ca");
    let (name, object) = (key_name("ca"), "id:ca".to_owned());
    let request = RegisterRequest { name, object, digest_as_message: false, provider: None };
    let registered = world.gateway.register(&world.caller, world.context(), request).await.unwrap();
    give_up(&world, "ca").await;
    assert_eq!(state(&world, &registered), State::Destroyed);
    assert!(matches!(restore(&world, &registered).await, Err(Error::KeyNotFound)));
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_key_is_restored_by_its_own_name_only() {
    let (world, key) = world().await;

    let refused = world.gateway.restore(&world.caller, world.context(), (key_name("b"), key.id)).await;

    assert!(matches!(refused, Err(Error::KeyNotFound)));
    assert_eq!(state(&world, &key), State::Destroyed);
}

#[tokio::test]
async fn a_key_that_nobody_would_serve_stays_destroyed() {
    let (world, key) = world().await;
    let mut stripped = (*world.version(7, Conduct::Honest)).clone();
    stripped.grants = Arc::default();
    world.gateway.reload(served_by(&Versions::of(stripped)));

    assert!(matches!(restore(&world, &key).await, Err(Error::Misconfigured(_))));
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 0);
}
