//! Keys whose deletion was scheduled and is cancelled, in one try or in two.

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, StandIn, State, User, refusal};
use keyport_stand_ins::{Answer, Fault};

use crate::account::{opened, settle, signed};
use crate::suite::{object, request, soon};

async fn destroyed() -> (StandIn, Object) {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let aws = opened(&service);
    let object = object(&request, &aws.generate(request.clone(), soon()).await.unwrap().native_id);
    aws.destroy(&object, soon()).await.unwrap();

    (service, object)
}

/// Whether restoring a key has a call of this number; if so, what a gateway that ends there leaves can be restored by the next, or
/// destroyed by it.
async fn nothing_is_lost_while_restoring(number: usize, how: Fault, is_restored: bool) -> bool {
    let (service, object) = destroyed().await;
    let aws = opened(&service);
    service.faults().after(number, how.clone());
    let ends = tokio::select! {
        restored = aws.restore(&object, soon()) => {
            restored.unwrap();
            false
        }
        () = service.faults().has_hung() => true,
    };
    service.faults().clear();

    let next = opened(&service);
    settle().await;
    if is_restored {
        next.restore(&object, soon()).await.unwrap();
        signed(&next, &object).await.unwrap();
        assert_eq!(service.keys().all()[0].state, State::Enabled, "after call {number}, lost {how:?}");
    } else {
        next.destroy(&object, soon()).await.unwrap();
        assert_eq!(service.keys().alive(), 0, "after call {number}, lost {how:?}");
    }
    ends
}

#[tokio::test]
async fn a_crash_while_a_key_is_restored_leaves_what_can_be_restored_or_destroyed() {
    let faults = [Fault::HangBefore, Fault::HangAfter];
    let ways = faults.into_iter().flat_map(|how| [true, false].map(|is_restored| (how.clone(), is_restored)));
    for (how, is_restored) in ways {
        let mut calls = 0;
        while nothing_is_lost_while_restoring(calls, how.clone(), is_restored).await {
            calls += 1;
        }
        assert_eq!(calls, 4, "look, cancel, enable, ask for the public half");
    }
}

#[tokio::test]
async fn a_key_whose_deletion_an_operator_cancelled_is_enabled() {
    let (service, object) = destroyed().await;
    service.keys().get(object.native_id.as_str()).unwrap().state = State::Disabled;
    let aws = opened(&service);

    aws.restore(&object, soon()).await.unwrap();

    signed(&aws, &object).await.unwrap();
}

#[tokio::test]
async fn a_key_whose_time_is_over_is_gone() {
    let (service, object) = destroyed().await;
    let gone = NativeId::new(format!("{}0", object.native_id.as_str()));

    let refused = opened(&service).restore(&Object { native_id: gone, ..object }, soon()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::KeyGone);
    assert!(refused.message.contains("could be cancelled is over"), "{refused}");
}

#[tokio::test]
async fn what_the_service_does_not_know_everywhere_yet_is_asked_again() {
    let (service, object) = destroyed().await;
    for operation in ["EnableKey", "EnableKey", "GetPublicKey"] {
        service.faults().add(operation, 1, Fault::Answer(still_pending()));
    }

    opened(&service).restore(&object, soon()).await.unwrap();

    assert_eq!(service.keys().all()[0].state, State::Enabled);
}

#[tokio::test]
async fn a_role_that_may_not_enable_leaves_a_key_that_is_destroyed_again() {
    let (service, object) = destroyed().await;
    let aws = opened(&service);
    let mut user = User::with_secret(SECRET);
    user.denied.insert("EnableKey");
    service.users().add(ACCESS_KEY, user);
    let refused = aws.restore(&object, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Denied);
    assert!(refused.message.contains("kms:EnableKey"), "{refused}");

    // A part of the service may not have heard of the cancelled deletion; whoever believes it leaves the key there.
    service.faults().add("ScheduleKeyDeletion", 1, Fault::Answer(still_pending()));
    let unsure = aws.destroy(&object, soon()).await.unwrap_err();
    assert_eq!(unsure.kind, FailureKind::Unavailable);
    assert_eq!(service.keys().alive(), 1);
    for _ in 0..2 {
        aws.destroy(&object, soon()).await.unwrap();
        assert_eq!(service.keys().alive(), 0);
    }
}

#[tokio::test]
async fn a_gateway_that_starts_does_not_believe_at_once_that_a_key_is_gone_which_may_be_back() {
    let (service, object) = destroyed().await;
    opened(&service).restore(&object, soon()).await.unwrap();
    let aws = opened(&service);
    service.faults().add("ScheduleKeyDeletion", 1, Fault::Answer(still_pending()));
    service.faults().add(
        "DescribeKey",
        1,
        Fault::Lie(|answer| answer["KeyMetadata"]["KeyState"] = "PendingDeletion".into()),
    );

    let unsure = aws.destroy(&object, soon()).await.unwrap_err();
    assert_eq!(unsure.kind, FailureKind::Unavailable, "{unsure}");
    service.faults().clear();
    for _ in 0..2 {
        aws.destroy(&object, soon()).await.unwrap();
        assert_eq!(service.keys().alive(), 0);
    }

    let next = opened(&service);
    assert_eq!(next.destroy(&object, soon()).await.unwrap_err().kind, FailureKind::Unavailable);
    settle().await;
    next.destroy(&object, soon()).await.unwrap();
}

fn still_pending() -> Answer {
    refusal(400, "KMSInvalidStateException", "the key is pending deletion.")
}
