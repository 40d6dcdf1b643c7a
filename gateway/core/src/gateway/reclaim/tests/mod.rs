//! Destroyed keys, restored in every order of things.

mod refusals;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::audit::{Operation, Outcome};
use crate::failure::FailureKind;
use crate::gateway::OnDuplicate;
use crate::key::{Key, State};
use crate::testing::{TestToken, World, key_name};
use crate::{Error, Result};

/// A world whose custodian keeps what it destroys, and a key `a` that it destroyed.
async fn world() -> (World, Arc<Key>) {
    let world = World::new();
    world.backend.keeps.store(true, Ordering::Relaxed);
    let key = destroyed(&world, "a").await;

    (world, key)
}

async fn destroyed(world: &World, name: &str) -> Arc<Key> {
    let key = world.create(name, OnDuplicate::Conflict).await.unwrap();
    give_up(world, name).await;
    assert_eq!(state(world, &key), State::Destroyed);

    key
}

async fn give_up(world: &World, name: &str) {
    world.gateway.delete(&world.caller, world.context(), key_name(name), Duration::ZERO).await.unwrap();
    world.gateway.reap().await.unwrap();
}

async fn restore(world: &World, key: &Key) -> Result<Arc<Key>> {
    world.gateway.restore(&world.caller, world.context(), (key.name.clone(), key.id)).await
}

fn state(world: &World, key: &Key) -> State {
    row(world, key).state
}

fn row(world: &World, key: &Key) -> Key {
    world.keys.0.lock().unwrap().iter().find(|row| row.id == key.id).unwrap().clone()
}

fn is_alive(token: &TestToken, key: &Key) -> bool {
    token.objects.lock().unwrap().contains_key(key.native_id.as_ref().unwrap().as_str())
}

/// What the reaper does once it may try again.
async fn reap_later(world: &World) {
    world.clock.advance(Duration::from_secs(3600));
    world.gateway.reap().await.unwrap();
}

/// Lets everybody go on until it is so; fails where that takes longer than anything here may.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };

    let came = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(came.is_ok(), "not so: {what}");
}

/// The custodian is asked to restore a key, and has not answered.
async fn is_restoring(world: &World) {
    eventually("it restores", || world.backend.restores.load(Ordering::Relaxed) > 0).await;
}

/// Nothing of the key is alive, and it can be restored after all.
async fn is_as_before(world: &World, key: &Key) {
    assert_eq!(state(world, key), State::Destroyed);
    assert!(!is_alive(&world.backend, key), "an orphan");
    assert_eq!(restore(world, key).await.unwrap().id, key.id);
    assert_eq!(world.sign(key.name.as_str()).await.unwrap().key.id, key.id);
}

#[tokio::test]
async fn a_destroyed_key_that_its_custodian_still_has_signs_again() {
    let (world, key) = world().await;

    let restored = restore(&world, &key).await.unwrap();

    assert_eq!((restored.id, &restored.handle, &restored.public), (key.id, &key.handle, &key.public));
    assert_eq!((restored.state, restored.destroy_after), (State::Active, None));
    assert_eq!(row(&world, &key), *restored, "what is answered is what is stored");
    assert_eq!(world.sign("a").await.unwrap().key.public, key.public);
    assert_eq!(world.events(Operation::Restore), ["ok"]);
    let events = world.audit.events.lock().unwrap().clone();
    let event = events.iter().find(|event| event.operation == Operation::Restore).unwrap();
    assert_eq!(event.detail.as_deref(), Some("had been destroyed"));
    assert_eq!((event.key_id, event.attempts), (Some(key.id), 1));

    // And all over again.
    give_up(&world, "a").await;
    restore(&world, &key).await.unwrap();
    reap_later(&world).await;
    world.sign("a").await.unwrap();
}

#[tokio::test]
async fn an_intent_precedes_what_the_custodian_is_asked() {
    let (world, key) = world().await;
    world.backend.outside.store(true, Ordering::Relaxed);
    *world.audit.refusing.lock().unwrap() = Some((Operation::Restore, Outcome::Intent));

    assert!(matches!(restore(&world, &key).await, Err(Error::Unavailable { .. })));
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 0);
    assert_eq!(state(&world, &key), State::Destroyed);

    *world.audit.refusing.lock().unwrap() = None;
    restore(&world, &key).await.unwrap();
    assert_eq!(world.events(Operation::Restore), ["failed:unavailable", "intent", "ok"]);
}

#[tokio::test]
async fn a_restore_that_cannot_be_recorded_is_undone_at_the_custodian() {
    let (world, key) = world().await;
    *world.audit.refusing.lock().unwrap() = Some((Operation::Restore, Outcome::Ok));

    assert!(matches!(restore(&world, &key).await, Err(Error::Unavailable { .. })));
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 1);
    assert!(matches!(world.sign("a").await, Err(Error::KeyNotFound)));

    *world.audit.refusing.lock().unwrap() = None;
    is_as_before(&world, &key).await;
}

#[tokio::test]
async fn what_a_custodian_restored_and_says_it_did_not_is_destroyed_again() {
    for kind in FailureKind::ALL {
        let (world, key) = world().await;
        *world.backend.forgetful.lock().unwrap() = Some(kind);

        let refused = restore(&world, &key).await.unwrap_err();
        let is_gone = matches!(kind, FailureKind::NotFound | FailureKind::KeyGone);
        assert_eq!(matches!(refused, Error::KeyNotFound), is_gone, "{kind:?} {refused:?}");
        let told = world.audit.events.lock().unwrap().iter().any(|event| {
            event.operation == Operation::Restore
                && event.detail.as_deref() == Some("it was restored, and nobody hears of it")
        });
        assert!(told, "{kind:?}");

        *world.backend.forgetful.lock().unwrap() = None;
        is_as_before(&world, &key).await;
    }
}

#[tokio::test]
async fn what_cannot_be_undone_now_is_undone_by_the_reaper() {
    let (world, key) = world().await;
    *world.backend.forgetful.lock().unwrap() = Some(FailureKind::Unavailable);
    let gate = world.backend.restoring.lock().await;
    let (refused, ()) = tokio::join!(restore(&world, &key), async {
        is_restoring(&world).await;
        *world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);
        drop(gate);
    });
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    assert_eq!(state(&world, &key), State::Destroying);
    assert!(is_alive(&world.backend, &key));
    assert!(matches!(restore(&world, &key).await, Err(Error::KeyNotFound)), "its destruction is under way");

    *world.backend.failing.lock().unwrap() = None;
    *world.backend.forgetful.lock().unwrap() = None;
    reap_later(&world).await;
    is_as_before(&world, &key).await;
}

#[tokio::test]
async fn a_crash_after_the_custodian_restored_it_leaves_no_orphan() {
    let (world, key) = world().await;
    // As a crash leaves it between the custodian's answer and the row's change: no claim outlives the process.
    let kept = world.backend.kept.lock().unwrap().drain().collect::<Vec<_>>();
    world.backend.objects.lock().unwrap().extend(kept);
    for row in world.keys.0.lock().unwrap().iter_mut() {
        row.state = State::Destroying;
    }

    world.gateway.start("again".to_owned()).await.unwrap();
    world.gateway.reap().await.unwrap();

    is_as_before(&world, &key).await;
}

#[tokio::test]
async fn the_reaper_leaves_a_key_alone_that_is_being_restored() {
    let (world, key) = world().await;
    let gate = world.backend.restoring.lock().await;

    let (restored, ()) = tokio::join!(restore(&world, &key), async {
        is_restoring(&world).await;
        reap_later(&world).await;
        assert!(is_alive(&world.backend, &key));
        assert_eq!(state(&world, &key), State::Destroying);
        drop(gate);
    });

    restored.unwrap();
    world.sign("a").await.unwrap();
}

#[tokio::test]
async fn a_reaper_that_read_its_rows_before_the_key_was_restored_does_not_destroy_it() {
    let world = World::new();
    world.backend.keeps.store(true, Ordering::Relaxed);
    let first = world.create("first", OnDuplicate::Conflict).await.unwrap();
    let key = destroyed(&world, "a").await;
    world.gateway.delete(&world.caller, world.context(), key_name("first"), Duration::ZERO).await.unwrap();

    let (restoring, destroying) =
        (world.backend.restoring.lock().await, world.backend.destroying.lock().await);
    let (restored, reaped, ()) = tokio::join!(restore(&world, &key), world.gateway.reap(), async {
        let are_destroying = || [&first, &key].map(|key| state(&world, key)) == [State::Destroying; 2];
        eventually("both are being destroyed", are_destroying).await;
        drop(restoring);
        eventually("it is restored", || state(&world, &key) == State::Active).await;
        drop(destroying);
    });

    restored.unwrap();
    reaped.unwrap();
    assert_eq!(state(&world, &first), State::Destroyed);
    assert_eq!(world.sign("a").await.unwrap().key.id, key.id);
}

#[tokio::test]
async fn two_restores_at_once_restore_it_once() {
    let (world, key) = world().await;

    let (one, other) = tokio::join!(restore(&world, &key), restore(&world, &key));

    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(world.backend.restores.load(Ordering::Relaxed), 1);
    assert_eq!(world.sign("a").await.unwrap().key.id, key.id);
    assert!(matches!(restore(&world, &key).await, Err(Error::KeyExists)), "it is active");
}

#[tokio::test(start_paused = true)]
async fn a_restore_outlives_its_caller() {
    let (world, key) = world().await;
    let gate = world.backend.restoring.lock().await;

    assert!(matches!(restore(&world, &key).await, Err(Error::Unavailable { .. })));
    drop(gate);
    while state(&world, &key) != State::Active {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    world.sign("a").await.unwrap();
}

#[tokio::test]
async fn a_name_that_is_taken_meanwhile_keeps_its_key_and_the_other_is_destroyed_again() {
    let (world, key) = world().await;
    let gate = world.backend.restoring.lock().await;

    let (restored, other) = tokio::join!(restore(&world, &key), async {
        is_restoring(&world).await;
        let other = world.create("a", OnDuplicate::Conflict).await;
        drop(gate);
        other
    });

    assert!(matches!(restored, Err(Error::KeyExists)));
    assert_eq!(world.sign("a").await.unwrap().key.id, other.unwrap().id);
    assert_eq!(world.events(Operation::Restore), ["ok", "refused:key_exists"]);
    assert_eq!(world.events(Operation::Destroy), ["ok", "ok"]);
    assert_eq!(state(&world, &key), State::Destroyed);
    assert!(!is_alive(&world.backend, &key));
}

#[tokio::test]
async fn it_is_restored_at_every_replica_or_nowhere() {
    let (world, replica) = World::replicated();
    world.backend.keeps.store(true, Ordering::Relaxed);
    let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.backend.copy_to(&replica);
    give_up(&world, "a").await;
    assert!(matches!(restore(&world, &key).await, Err(Error::Unsupported)), "the replica keeps nothing");

    replica.keeps.store(true, Ordering::Relaxed);
    world.backend.copy_to_kept(&replica);
    *replica.failing.lock().unwrap() = Some(FailureKind::Denied);
    assert!(matches!(restore(&world, &key).await, Err(Error::Misconfigured(_))));
    *replica.failing.lock().unwrap() = None;
    reap_later(&world).await;
    assert!(!is_alive(&world.backend, &key) && !is_alive(&replica, &key));

    restore(&world, &key).await.unwrap();
    assert!(is_alive(&world.backend, &key) && is_alive(&replica, &key));
    *world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);
    world.sign("a").await.unwrap();
}

#[tokio::test]
async fn a_replica_that_never_had_the_key_does_not_keep_it_from_coming_back() {
    for kind in [FailureKind::NotFound, FailureKind::KeyGone] {
        let (world, replica) = World::replicated();
        for token in [&world.backend, &replica] {
            token.keeps.store(true, Ordering::Relaxed);
        }
        let key = destroyed(&world, "a").await;
        *replica.failing.lock().unwrap() = Some(kind);

        restore(&world, &key).await.unwrap();

        assert!(is_alive(&world.backend, &key) && !is_alive(&replica, &key));
        world.sign("a").await.unwrap();
    }
}

#[tokio::test]
async fn a_replica_that_has_another_key_keeps_it_from_coming_back() {
    let (world, replica) = World::replicated();
    for token in [&world.backend, &replica] {
        token.keeps.store(true, Ordering::Relaxed);
    }
    let key = destroyed(&world, "a").await;
    replica.add(key.native_id.as_ref().unwrap().as_str());

    restore(&world, &key).await.unwrap_err();

    assert!(!is_alive(&world.backend, &key));
}
