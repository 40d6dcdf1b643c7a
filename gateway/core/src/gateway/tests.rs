//! What callers are promised, over ports in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{CreateRequest, How, OnDuplicate, SignRequest, Source, Tenants, VerifyRequest};
use crate::Error;
use crate::audit::{Operation, Outcome};
use crate::caller::Caller;
use crate::failure::FailureKind;
use crate::input::{Digest, Input};
use crate::key::State;
use crate::outside::Clock;
use crate::scheme::{Hash, KeyType};
use crate::testing::{Conduct, World, caller, key_name};

fn states(world: &World) -> Vec<State> {
    world.keys.0.lock().unwrap().iter().map(|row| row.state).collect()
}

#[tokio::test]
async fn no_signature_leaves_while_the_log_cannot_be_written() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.audit.broken.store(true, Ordering::Relaxed);

    assert!(matches!(world.sign("a").await, Err(Error::Unavailable { .. })));
    assert!(!world.gateway.readiness().is_ready());
}

#[tokio::test]
async fn a_create_whose_event_cannot_be_written_leaves_nothing() {
    let world = World::new();
    *world.audit.refusing.lock().unwrap() = Some((Operation::Create, Outcome::Ok));

    assert!(matches!(world.create("a", OnDuplicate::Conflict).await, Err(Error::Unavailable { .. })));
    assert!(world.backend.objects.lock().unwrap().is_empty());
    assert_eq!(states(&world), [State::Destroyed]);
    assert!(matches!(world.sign("a").await, Err(Error::KeyNotFound)));
}

#[tokio::test]
async fn another_tenants_key_is_as_if_it_did_not_exist() {
    let mut world = World::new();
    let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.caller = caller("globex");

    assert!(matches!(world.sign("a").await, Err(Error::KeyNotFound)));
    assert!(world.gateway.list(&world.caller, world.context()).await.unwrap().is_empty());
    let released = world.gateway.release(&world.caller, world.context(), key_name("a")).await;
    assert!(matches!(released, Err(Error::KeyNotFound)));
    let restored = world.gateway.restore(&world.caller, world.context(), (key_name("a"), key.id)).await;
    assert!(matches!(restored, Err(Error::KeyNotFound)));
    world.create("a", OnDuplicate::Conflict).await.unwrap();
}

#[tokio::test]
async fn a_duplicate_is_refused_returned_or_replaced_as_the_contract_says() {
    let world = World::new();
    let first = world.create("a", OnDuplicate::Conflict).await.unwrap();

    assert!(matches!(world.create("a", OnDuplicate::Conflict).await, Err(Error::KeyExists)));
    assert_eq!(world.create("a", OnDuplicate::Return).await.unwrap().id, first.id);
    let second = world.create("a", OnDuplicate::Replace).await.unwrap();

    assert_ne!(second.public, first.public);
    assert_eq!(states(&world), [State::Released, State::Active]);
    assert_eq!(world.events(Operation::Release), ["ok"]);
    assert_eq!(world.sign("a").await.unwrap().key.id, second.id);
}

#[tokio::test]
async fn a_custodian_with_one_object_for_each_name_replaces_nothing_before_that_is_destroyed() {
    let world = World::new();
    world.backend.derives.store(true, Ordering::Relaxed);
    let first = world.create("a", OnDuplicate::Conflict).await.unwrap();

    assert!(matches!(world.create("a", OnDuplicate::Replace).await, Err(Error::KeyExists)));
    assert_eq!(states(&world), [State::Active, State::Destroyed]);
    assert!(world.backend.objects.lock().unwrap().contains_key("a"));
    assert_eq!(world.sign("a").await.unwrap().key.id, first.id);
    let events = world.audit.events.lock().unwrap().clone();
    let refused = events.iter().find(|event| event.reason == Some("key_exists")).unwrap();
    let detail = format!("`a` is the object of key {}, which is active", first.id);
    assert!(refused.detail.as_ref().unwrap().starts_with(&detail), "{refused:?}");

    world.gateway.delete(&world.caller, world.context(), key_name("a"), Duration::ZERO).await.unwrap();
    world.gateway.reap().await.unwrap();
    world.create("a", OnDuplicate::Replace).await.unwrap();
    assert_eq!(states(&world), [State::Destroyed, State::Destroyed, State::Active]);
}

#[tokio::test(start_paused = true)]
async fn a_create_outlives_its_caller_and_is_joined_by_the_next() {
    let world = World::new();
    let gate = world.backend.gate.lock().await;

    let first = world.create("a", OnDuplicate::Replace).await;
    assert!(matches!(first, Err(Error::Unavailable { .. })));
    drop(gate);
    let second = world.create("a", OnDuplicate::Replace).await.unwrap();

    assert_eq!(states(&world), [State::Active]);
    assert_eq!(world.sign("a").await.unwrap().key.id, second.id);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_finished_unheard_is_delivered_to_the_next_and_only_once() {
    let world = World::new();
    let gate = world.backend.gate.lock().await;
    assert!(world.create("a", OnDuplicate::Replace).await.is_err());
    drop(gate);
    while states(&world) != [State::Active] {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let delivered = world.create("a", OnDuplicate::Replace).await.unwrap();
    assert_eq!(states(&world), [State::Active]);
    let replaced = world.create("a", OnDuplicate::Replace).await.unwrap();
    assert_ne!(delivered.id, replaced.id);
}

#[tokio::test]
async fn two_creates_at_once_make_one_key() {
    let world = World::new();

    let (one, two) =
        tokio::join!(world.create("a", OnDuplicate::Conflict), world.create("a", OnDuplicate::Conflict));

    assert_eq!(one.unwrap().id, two.unwrap().id);
    assert_eq!(world.backend.objects.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_pending_create_of_another_type_refuses_the_name() {
    let world = World::new();
    let gate = world.backend.gate.lock().await;
    let other = CreateRequest {
        name: key_name("a"),
        source: Source::Generate(KeyType::Rsa2048),
        digest_as_message: false,
        provider: None,
        on_duplicate: OnDuplicate::Replace,
    };

    let (first, second) = tokio::join!(world.create("a", OnDuplicate::Conflict), async {
        let refused = world.gateway.create(&world.caller, world.context(), other).await;
        drop(gate);
        refused
    });

    first.unwrap();
    assert!(matches!(second, Err(Error::KeyExists)));
}

#[tokio::test]
async fn a_released_key_signs_no_more_and_is_destroyed_after_its_grace() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();

    world.gateway.release(&world.caller, world.context(), key_name("a")).await.unwrap();
    world.gateway.release(&world.caller, world.context(), key_name("a")).await.unwrap();
    assert!(matches!(world.sign("a").await, Err(Error::KeyReleased)));
    world.gateway.reap().await.unwrap();
    assert_eq!(states(&world), [State::Released]);

    world.clock.advance(Duration::from_secs(3601));
    world.gateway.reap().await.unwrap();
    assert_eq!(states(&world), [State::Destroyed]);
    assert!(world.backend.objects.lock().unwrap().is_empty());
    assert_eq!(world.events(Operation::Destroy), ["ok"]);
}

#[tokio::test]
async fn a_released_key_can_be_restored_until_its_name_is_taken() {
    let world = World::new();
    let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
    let release = || world.gateway.release(&world.caller, world.context(), key_name("a"));

    release().await.unwrap();
    world.gateway.restore(&world.caller, world.context(), (key_name("a"), key.id)).await.unwrap();
    assert_eq!(world.sign("a").await.unwrap().key.id, key.id);

    release().await.unwrap();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    let restored = world.gateway.restore(&world.caller, world.context(), (key_name("a"), key.id)).await;
    assert!(matches!(restored, Err(Error::KeyExists)));
}

#[tokio::test]
async fn a_provider_that_keeps_a_key_does_not_keep_it() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.gateway.release(&world.caller, world.context(), key_name("a")).await.unwrap();
    world.behave(Conduct::KeepsKeys);

    world.clock.advance(Duration::from_secs(3601));
    world.gateway.reap().await.unwrap();
    assert!(world.backend.objects.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_destruction_that_fails_is_tried_again_later() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.gateway.release(&world.caller, world.context(), key_name("a")).await.unwrap();
    world.clock.advance(Duration::from_secs(3601));

    *world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);
    for _ in 0..3 {
        world.gateway.reap().await.unwrap();
    }
    assert_eq!(states(&world), [State::Destroying]);
    assert_eq!(world.events(Operation::Destroy), ["failed:unavailable"]);

    *world.backend.failing.lock().unwrap() = None;
    world.clock.advance(Duration::from_secs(60));
    world.gateway.reap().await.unwrap();
    assert_eq!(states(&world), [State::Destroyed]);
}

#[tokio::test]
async fn a_release_whose_event_failed_is_recorded_later_as_recovered() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.audit.broken.store(true, Ordering::Relaxed);

    assert!(world.gateway.release(&world.caller, world.context(), key_name("a")).await.is_err());
    assert!(matches!(world.sign("a").await, Err(Error::Unavailable { .. })));

    world.audit.broken.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(61));
    world.gateway.reap().await.unwrap();
    let events = world.audit.events.lock().unwrap();
    assert!(events.iter().any(|event| event.operation == Operation::Release && event.recovered));
}

#[tokio::test]
async fn starting_again_undoes_an_interrupted_create() {
    let world = World::new();
    let key = world.create("a", OnDuplicate::Conflict).await.unwrap();
    // As a crash leaves it between the custodian's answer and the event.
    for row in world.keys.0.lock().unwrap().iter_mut() {
        row.state = State::Pending;
        row.native_id = None;
    }

    world.gateway.start("again".to_owned()).await.unwrap();
    world.gateway.reap().await.unwrap();

    assert_eq!(states(&world), [State::Destroyed]);
    assert!(!world.backend.objects.lock().unwrap().contains_key(&key.id.to_string()));
    world.create("a", OnDuplicate::Conflict).await.unwrap();
}

#[tokio::test]
async fn an_intent_precedes_whatever_may_act_outside() {
    let world = World::new();
    world.backend.outside.store(true, Ordering::Relaxed);
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.sign("a").await.unwrap();

    assert_eq!(world.events(Operation::Create), ["intent", "ok"]);
    assert_eq!(world.events(Operation::Sign), ["intent", "ok"]);
    let events = world.audit.events.lock().unwrap();
    assert_eq!(events.last().unwrap().intent, Some(3));
}

#[tokio::test]
async fn nothing_acts_outside_where_the_intent_cannot_be_written() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.backend.outside.store(true, Ordering::Relaxed);
    *world.audit.refusing.lock().unwrap() = Some((Operation::Sign, Outcome::Intent));

    assert!(matches!(world.sign("a").await, Err(Error::Unavailable { .. })));
    assert_eq!(world.backend.signatures.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_a_provider_says_of_a_key_keeps_only_the_meanings_that_are_not_its_to_lie_about() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();

    for (kind, code) in [
        (FailureKind::InvalidArgument, "internal"),
        (FailureKind::NotFound, "key_lost"),
        (FailureKind::KeyGone, "key_lost"),
        (FailureKind::Exists, "internal"),
        (FailureKind::Denied, "misconfigured"),
        (FailureKind::Credentials, "misconfigured"),
        (FailureKind::OperatorNeeded, "misconfigured"),
        (FailureKind::Unsupported, "internal"),
        (FailureKind::Throttled, "throttled"),
        (FailureKind::Unavailable, "unavailable"),
        (FailureKind::Internal, "internal"),
        (FailureKind::Other, "internal"),
    ] {
        world.behave(Conduct::Fails(kind));
        assert_eq!(world.sign("a").await.unwrap_err().code(), code, "{kind:?}");
    }
}

#[tokio::test]
async fn a_scheme_that_the_custodian_lacks_is_unsupported_and_the_log_says_why() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    *world.backend.failing.lock().unwrap() = Some(FailureKind::Unsupported);

    assert!(matches!(world.sign("a").await, Err(Error::Unsupported)));
    assert_eq!(world.events(Operation::Sign), ["refused:unsupported"]);
    let events = world.audit.events.lock().unwrap();
    assert_eq!(events.last().unwrap().detail.as_deref(), Some("the token was told to fail"));
}

#[tokio::test]
async fn refusals_beyond_a_callers_budget_are_counted_and_summed_up() {
    let world = World::new();
    for _ in 0..700 {
        assert!(matches!(world.sign("none").await, Err(Error::KeyNotFound)));
    }
    world.gateway.unauthenticated("webhook", "no_credential");
    assert_eq!(world.events(Operation::Sign).len(), 600);

    world.clock.advance(Duration::from_secs(61));
    world.gateway.reap().await.unwrap();
    let summaries = world.events(Operation::Request);
    assert_eq!(summaries, ["refused:event_budget", "refused:no_credential"]);
    assert!(world.audit.events.lock().unwrap()[600].detail.as_ref().unwrap().starts_with("100 more"));
}

#[tokio::test]
async fn readiness_follows_required_providers() {
    let world = World::new();
    world.gateway.probe().await;
    assert!(world.gateway.readiness().is_ready());

    *world.backend.failing.lock().unwrap() = Some(FailureKind::OperatorNeeded);
    world.gateway.probe().await;
    assert!(!world.gateway.readiness().is_ready());
    assert!(world.clock.now() > tokio::time::Instant::now().into_std() - Duration::from_secs(1));
}

#[tokio::test]
async fn a_deleted_key_signs_no_more_and_is_destroyed_when_its_grace_is_over() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    let delete = || world.gateway.delete(&world.caller, world.context(), key_name("a"), Duration::ZERO);

    assert!(delete().await.unwrap());
    assert!(matches!(world.sign("a").await, Err(Error::KeyReleased)));
    assert!(!delete().await.unwrap());
    world.gateway.reap().await.unwrap();
    assert_eq!(states(&world), [State::Destroyed]);
    assert_eq!(world.events(Operation::Delete), ["ok", "ok"]);
}

#[tokio::test]
async fn a_signature_verifies_with_its_own_key_and_input_only_even_when_that_was_released() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.create("b", OnDuplicate::Conflict).await.unwrap();
    let signature = world.sign("a").await.unwrap().signature;
    world.gateway.release(&world.caller, world.context(), key_name("a")).await.unwrap();
    let verify = async |name: &str, message: &[u8], signature: Vec<u8>| {
        let input = Input::Digest(Digest::of(Hash::Sha256, message));
        let request = VerifyRequest { name: key_name(name), how: How::Usual, input, signature };
        world.gateway.verify(&world.caller, world.context(), request).await
    };

    assert!(verify("a", b"hello", signature.bytes().to_vec()).await.unwrap());
    assert!(verify("a", b"hello", signature.der().unwrap()).await.unwrap());
    assert!(!verify("a", b"hallo", signature.bytes().to_vec()).await.unwrap());
    assert!(!verify("b", b"hello", signature.bytes().to_vec()).await.unwrap());
    assert!(!verify("a", b"hello", b"short".to_vec()).await.unwrap());
    assert!(matches!(verify("c", b"hello", Vec::new()).await, Err(Error::KeyNotFound)));
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_outcome_and_event() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    let request = |name: &str| SignRequest {
        name: key_name(name),
        how: How::Usual,
        input: Input::Digest(Digest::of(Hash::Sha256, name.as_bytes())),
    };
    let batch = || vec![request("a"), request("none"), request("a")];

    let outcomes = world.gateway.sign_all(&world.caller, world.context(), batch()).await.unwrap();
    assert!(matches!(outcomes[..], [Ok(_), Err(Error::KeyNotFound), Ok(_)]));
    assert_eq!(world.events(Operation::Sign), ["ok", "refused:key_not_found", "ok"]);

    world.audit.broken.store(true, Ordering::Relaxed);
    let batch = world.gateway.sign_all(&world.caller, world.context(), batch()).await;
    assert!(matches!(batch, Err(Error::Unavailable { .. })));
}

#[tokio::test]
async fn a_batch_of_a_caller_with_one_call_at_a_time_is_not_refused_for_its_own_items() {
    let mut world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.caller = Arc::new(Caller { name: "small".parse().unwrap(), ..Caller::clone(&world.caller) });
    let input = Input::Digest(Digest::of(Hash::Sha256, b"x"));
    let request = SignRequest { name: key_name("a"), how: How::Usual, input };

    let outcomes = world.gateway.sign_all(&world.caller, world.context(), vec![request; 3]).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test]
async fn a_name_stands_for_its_active_key_or_else_the_one_released_last() {
    let world = World::new();
    let first = world.create("a", OnDuplicate::Conflict).await.unwrap();
    let second = world.create("a", OnDuplicate::Replace).await.unwrap();
    let key = async || world.gateway.key(&world.caller, world.context(), key_name("a")).await.unwrap().id;
    let keys = async || world.gateway.keys(&world.caller, world.context()).await.unwrap().len();

    assert_eq!((key().await, keys().await), (second.id, 2));
    world.clock.advance(Duration::from_secs(1));
    world.gateway.release(&world.caller, world.context(), key_name("a")).await.unwrap();
    assert_eq!(key().await, second.id);
    assert_ne!(first.id, second.id);
    let published = world.gateway.published(&world.caller.tenant, &["a*".parse().unwrap()]).await.unwrap();
    assert_eq!(published.len(), 2);
}

#[tokio::test]
async fn a_caller_over_its_quota_is_told_when_to_come_back_and_others_are_not_held_up() {
    let mut world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    let other = Arc::clone(&world.caller);
    world.caller = Arc::new(Caller { name: "small".parse().unwrap(), ..Caller::clone(&other) });

    for _ in 0..5 {
        world.sign("a").await.unwrap();
    }
    let refused = world.sign("a").await;
    assert!(
        matches!(refused, Err(Error::Throttled { retry_after }) if retry_after <= Duration::from_secs(1))
    );
    let small = std::mem::replace(&mut world.caller, other);
    world.sign("a").await.unwrap();

    world.caller = small;
    world.clock.advance(Duration::from_secs(1));
    world.sign("a").await.unwrap();
}

#[tokio::test]
async fn a_tenant_has_no_more_keys_than_it_may_have_until_some_are_destroyed() {
    let world = World::new();
    for number in 0..50 {
        world.create(&format!("k{number}"), OnDuplicate::Conflict).await.unwrap();
    }
    assert!(matches!(world.create("more", OnDuplicate::Conflict).await, Err(Error::Throttled { .. })));

    world.gateway.delete(&world.caller, world.context(), key_name("k0"), Duration::ZERO).await.unwrap();
    world.gateway.reap().await.unwrap();
    world.create("more", OnDuplicate::Conflict).await.unwrap();
}

#[tokio::test]
async fn a_reload_that_would_strand_live_keys_says_whose_and_why() {
    let world = World::new();
    world.create("a", OnDuplicate::Conflict).await.unwrap();
    world.create("b", OnDuplicate::Conflict).await.unwrap();

    let stranded = world.gateway.stranded(&Tenants::default()).await.unwrap();
    assert_eq!(
        stranded.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["tenant `acme` has 2 keys of this tenant, which is not configured"]
    );
    world.gateway.delete(&world.caller, world.context(), key_name("a"), Duration::ZERO).await.unwrap();
    world.gateway.delete(&world.caller, world.context(), key_name("b"), Duration::ZERO).await.unwrap();
    world.gateway.reap().await.unwrap();
    assert!(world.gateway.stranded(&Tenants::default()).await.unwrap().is_empty());

    world.gateway.reload(Tenants::default());
    assert!(matches!(world.create("c", OnDuplicate::Conflict).await, Err(Error::Internal(_))));
}
