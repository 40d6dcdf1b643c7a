//! A gateway that dies between any two calls of making a key, or of destroying it: exactly one key is there afterwards, or none.

use std::time::Duration;

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::{Answer, Fault};

use crate::ring::{RING, Ring};
use crate::suite::{object, request, soon};

/// The calls of making a key, each of which is the last that is heard of the gateway; before the service acted, or after.
const MAKING: [&str; 3] = ["POST /v1/projects", "GET /v1/projects", "/publicKey"];

#[tokio::test]
async fn a_key_that_was_half_made_is_found_made_once_and_destroyed() {
    for call in MAKING {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let (ring, request) = (Ring::new(), request(KeyType::EcP256));
            let is_made = died_making(&ring, &request, call, fault).await;

            let found = ring.gcp.find(&request.tenant, request.key_id, soon()).await.unwrap();
            assert_eq!(found.is_some(), is_made, "{call}");
            let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
            assert_eq!(ring.stand_in.states(), ["ENABLED"], "{call}");
            ring.gcp.destroy(&object(&request, &made.native_id), soon()).await.unwrap();
            assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"]);
        }
    }
}

#[tokio::test]
async fn what_the_reaper_finds_of_a_key_that_was_half_made_it_destroys() {
    for call in MAKING {
        let (ring, request) = (Ring::new(), request(KeyType::EcP256));
        *ring.stand_in.pending.lock().unwrap() = 3;
        died_making(&ring, &request, call, Fault::HangAfter).await;

        let found = ring.gcp.find(&request.tenant, request.key_id, soon()).await.unwrap().unwrap();
        ring.gcp.destroy(&object(&request, &found), soon()).await.unwrap();
        assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"], "{call}");
        assert_eq!(ring.gcp.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_key_that_was_half_destroyed_is_destroyed() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let (ring, request) = (Ring::new(), request(KeyType::EcP256));
        let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
        let object = object(&request, &made.native_id);
        ring.stand_in.faults().add(":destroy", 1, fault);
        let before = ring.stand_in.heard().len();
        let (gcp, doomed) = (ring.gcp.clone(), object.clone());
        let destroying = tokio::spawn(async move { gcp.destroy(&doomed, soon()).await });
        ring.stand_in.asked(before + 1).await;
        destroying.abort();

        ring.gcp.destroy(&object, soon()).await.unwrap();
        assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_google_may_still_make_is_not_taken_for_none() {
    for comes in [true, false] {
        let (ring, request) = (Ring::with(|connection| connection.doubt = DOUBT), request(KeyType::EcP256));
        let unrecorded = object(&request, &NativeId::new(request.key_id.to_string()));
        // A gateway before this one may have asked for it.
        is_in_doubt(&ring, &unrecorded).await;
        tokio::time::advance(DOUBT).await;
        is_gone(&ring, &unrecorded).await;

        ring.stand_in.faults().always("POST /v1/projects", Fault::Answer(Answer::of(504, "")));
        let refused = ring.gcp.generate(request.clone(), soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unavailable);
        ring.stand_in.faults().clear();
        is_in_doubt(&ring, &unrecorded).await;

        if comes {
            ring.stand_in.add(RING, &format!("keyport-{}", request.key_id));
            ring.gcp.destroy(&unrecorded, soon()).await.unwrap();
            assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"]);
        } else {
            tokio::time::advance(DOUBT).await;
            is_gone(&ring, &unrecorded).await;
        }
    }
}

#[tokio::test]
async fn a_key_that_was_refused_or_recorded_is_in_no_doubt() {
    let (ring, request) = (Ring::with(|connection| connection.doubt = DOUBT), request(KeyType::EcP256));
    ring.stand_in.faults().add("POST /v1/projects", 1, Fault::Answer(Answer::of(403, "")));
    assert_eq!(ring.gcp.generate(request.clone(), soon()).await.unwrap_err().kind, FailureKind::Denied);
    is_gone(&ring, &object(&request, &NativeId::new(request.key_id.to_string()))).await;

    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    ring.stand_in.keys.lock().unwrap().clear();
    is_gone(&ring, &object(&request, &made.native_id)).await;
}

async fn is_in_doubt(ring: &Ring, object: &Object) {
    let found = ring.gcp.find(&object.tenant, object.key_id, soon()).await.unwrap_err();
    let destroyed = ring.gcp.destroy(object, soon()).await.unwrap_err();

    for unsure in [found, destroyed] {
        assert_eq!(unsure.kind, FailureKind::Unavailable, "{unsure}");
        assert!(unsure.retry_after.is_some_and(|left| left <= DOUBT), "{unsure}");
    }
}

async fn is_gone(ring: &Ring, object: &Object) {
    assert_eq!(ring.gcp.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
    ring.gcp.destroy(object, soon()).await.unwrap();
}

/// Has a key made by a gateway that dies at this call; whether the service made it before that.
async fn died_making(ring: &Ring, request: &Generate, call: &'static str, fault: Fault) -> bool {
    let position = MAKING.iter().position(|other| *other == call).unwrap();
    let acted = matches!(fault, Fault::HangAfter);
    ring.stand_in.faults().add(call, 1, fault);
    let (gcp, request) = (ring.gcp.clone(), request.clone());
    let making = tokio::spawn(async move { gcp.generate(request, soon()).await });

    // One call for each place, and none after the one that is never answered.
    ring.stand_in.asked(position + 1).await;
    if acted {
        ring.until(|stand_in| !stand_in.states().is_empty()).await;
    }
    making.abort();
    position > 0 || acted
}

const DOUBT: Duration = Duration::from_secs(30);
