//! Bad days: a vault that refuses, fails, hangs, breaks off, or lies, and a gateway that dies between two calls.

use std::time::Duration;

use keyport_backends::azure::Connection;
use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::{Answer, Fault};
use serde_json::{Value, json};

use crate::opened::Opened;
use crate::suite::{object, request, soon};

async fn with_key() -> (Opened, Object) {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();

    (opened, object(&request, &made.native_id))
}

async fn sign(opened: &Opened, object: &Object) -> Result<Vec<u8>, Failure> {
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_secs(10);

    opened.azure.sign(object, Mechanism::Ecdsa, &[7; 32], deadline).await
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": code, "message": "m" } }))
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_is_asked_too_often_is_left_alone_as_long_as_it_says() {
    let (opened, object) = with_key().await;
    let busy = Fault::Answer(refusal(429, "Throttled").with("retry-after", "3"));
    opened.stand_in.faults().add("/sign", 1, busy);
    let began = tokio::time::Instant::now();

    sign(&opened, &object).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(3));
    opened.stand_in.faults().always("/sign", Fault::Answer(refusal(429, "Throttled")));
    assert_eq!(sign(&opened, &object).await.unwrap_err().kind, FailureKind::Throttled);
    opened.stand_in.faults().clear();
    sign(&opened, &object).await.unwrap();
}

#[tokio::test]
async fn a_mishap_of_the_vault_is_tried_again() {
    let (opened, object) = with_key().await;
    for fault in [Fault::Answer(refusal(503, "ServiceUnavailable")), Fault::Cut] {
        opened.stand_in.faults().add("/sign", 2, fault);
        sign(&opened, &object).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_by_the_deadline() {
    let (opened, object) = with_key().await;
    opened.stand_in.faults().add("/sign", 1, Fault::HangAfter);
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_millis(300);

    let refused = opened.azure.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    sign(&opened, &object).await.unwrap();
}

#[tokio::test]
async fn a_lie_is_never_a_signature() {
    let (opened, object) = with_key().await;
    let lies: [fn(&mut Value); 5] = [
        |answer| answer["kid"] = json!("https://other/keys/a/b"),
        |answer| answer["kid"] = json!(null),
        |answer| answer["value"] = json!("AAAA"),
        |answer| answer["value"] = json!("no base64!"),
        |answer| *answer = json!("garbage"),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        opened.stand_in.faults().add("/sign", 1, Fault::Lie(lie));
        assert_eq!(sign(&opened, &object).await.unwrap_err().kind, FailureKind::Internal, "{number}");
    }
}

#[tokio::test]
async fn a_page_of_something_on_the_way_deletes_no_key_and_finds_none() {
    let (opened, object) = with_key().await;
    let page = Fault::Answer(Answer::of(404, "<html>Not found"));
    opened.stand_in.faults().add("/keys/", 2, page);

    let refused = opened.azure.find(&object.tenant, object.key_id, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Internal);
    assert_eq!(opened.azure.destroy(&object, soon()).await.unwrap_err().kind, FailureKind::Internal);
    assert_eq!(opened.stand_in.versions(), [1]);
}

#[tokio::test]
async fn a_key_whose_making_was_not_answered_is_looked_for_and_not_made_twice() {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    opened.stand_in.faults().add("/create", 1, Fault::Cut);

    opened.azure.generate(request, soon()).await.unwrap();
    assert_eq!(opened.stand_in.versions(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_vault_may_still_make_is_not_taken_for_none() {
    let (opened, request) = (Opened::with(|connection| connection.doubt = DOUBT), request(KeyType::EcP256));
    let unrecorded = object(&request, &NativeId::new(request.key_id.to_string()));
    // A gateway before this one may have asked for it.
    is_in_doubt(&opened, &unrecorded).await;
    tokio::time::advance(DOUBT).await;
    is_gone(&opened, &unrecorded).await;

    opened.stand_in.faults().add("/create", 1, Fault::Answer(refusal(504, "GatewayTimeout")));
    let refused = opened.azure.generate(request.clone(), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    is_in_doubt(&opened, &unrecorded).await;

    // It comes, by the hand of another gateway here.
    opened.again().generate(request, soon()).await.unwrap();
    opened.azure.destroy(&unrecorded, soon()).await.unwrap();
    assert!(opened.stand_in.versions().is_empty());
    // The vault has it among those that were deleted.
    opened.azure.destroy(&unrecorded, soon()).await.unwrap();
    tokio::time::advance(DOUBT).await;
    is_gone(&opened, &unrecorded).await;
}

async fn is_in_doubt(opened: &Opened, object: &Object) {
    let found = opened.azure.find(&object.tenant, object.key_id, soon()).await.unwrap_err();
    let destroyed = opened.azure.destroy(object, soon()).await.unwrap_err();

    for unsure in [found, destroyed] {
        assert_eq!(unsure.kind, FailureKind::Unavailable, "{unsure}");
        assert!(unsure.retry_after.is_some_and(|left| left <= DOUBT), "{unsure}");
    }
}

async fn is_gone(opened: &Opened, object: &Object) {
    assert_eq!(opened.azure.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
    opened.azure.destroy(object, soon()).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_dies_between_two_calls_leaves_one_key_or_none() {
    for (call, calls) in [("GET /keys/", 2), ("/create", 3)] {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let (opened, request) = (Opened::new(), request(KeyType::EcP256));
            let is_made = call == "/create" && matches!(fault, Fault::HangAfter);
            opened.stand_in.faults().add(call, 1, fault);
            died_making(&opened, &request, (calls, is_made)).await;

            let found = opened.azure.find(&request.tenant, request.key_id, soon()).await.unwrap();
            assert_eq!(found.is_some(), is_made, "{call}");
            let made = opened.azure.generate(request.clone(), soon()).await.unwrap();
            assert_eq!(opened.stand_in.versions(), [1], "{call}");
            let object = object(&request, &made.native_id);
            opened.azure.destroy(&object, soon()).await.unwrap();
            opened.azure.destroy(&object, soon()).await.unwrap();
            assert!(opened.stand_in.versions().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn gateways_that_make_a_key_at_the_same_time_agree_on_its_first_version() {
    let opened = Opened::with(|connection| connection.settling = Connection::SETTLING);
    let (request, other) = (request(KeyType::EcP256), opened.again());
    let (one, two) =
        tokio::join!(opened.azure.generate(request.clone(), soon()), other.generate(request.clone(), soon()));
    let native_id = one.unwrap().native_id;
    assert_eq!(two.unwrap().native_id, native_id);

    // Others looked before it was there, and make it when it is.
    let before = opened.stand_in.versions()[0];
    let absent = Fault::Answer(refusal(404, "KeyNotFound"));
    for _ in 0..30 {
        opened.stand_in.faults().add("GET /keys/", 1, absent.clone());
        let late = opened.again();
        assert_eq!(late.generate(request.clone(), soon()).await.unwrap().native_id, native_id);
    }
    assert_eq!(opened.stand_in.versions(), [before + 30]);
    assert_eq!(other.find(&request.tenant, request.key_id, soon()).await.unwrap(), Some(native_id.clone()));

    other.destroy(&object(&request, &native_id), soon()).await.unwrap();
    assert!(opened.stand_in.versions().is_empty());
    opened.azure.destroy(&object(&request, &native_id), soon()).await.unwrap();
    assert_eq!(opened.azure.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
}

/// Has a key made by a gateway that dies at so many calls, the last of which made it or not.
async fn died_making(opened: &Opened, request: &Generate, (calls, is_made): (usize, bool)) {
    let (azure, request) = (opened.azure.clone(), request.clone());
    let making = tokio::spawn(async move { azure.generate(request, soon()).await });
    opened.stand_in.asked(calls).await;
    opened.until(|stand_in| !is_made || !stand_in.versions().is_empty()).await;

    making.abort();
}

#[tokio::test]
async fn a_thousand_signatures_at_once_are_made() {
    let (opened, object) = with_key().await;
    let made = futures_util::future::join_all((0..1000).map(|_| sign(&opened, &object))).await;

    let failed: Vec<_> = made.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} {:?}", failed.len(), failed.first());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_to_make_the_key_is_answered_by_the_deadline() {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    opened.stand_in.faults().add("/create", 1, Fault::HangAfter);
    let (azure, first) = (opened.azure.clone(), request.clone());
    let making = tokio::spawn(async move { azure.generate(first, soon()).await });
    opened.stand_in.asked(3).await;
    let began = tokio::time::Instant::now();

    let deadline = began.into_std() + Duration::from_secs(5);
    let refused = opened.azure.generate(request, deadline).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.message.contains("another call still makes this key"), "{refused}");
    assert!(began.elapsed() <= Duration::from_secs(5));
    making.abort();
}

const DOUBT: Duration = Duration::from_secs(30);
