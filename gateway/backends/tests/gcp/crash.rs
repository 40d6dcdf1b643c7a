//! A gateway that dies between any two calls of making a key, or of destroying it: exactly one key is there afterwards, or none.

use std::sync::Arc;
use std::time::Duration;

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, KeyState, Object};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::{Answer, Fault, Faults};

use crate::ends::{self, Stage};
use crate::ring::{RING, Ring};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_crash_while_a_key_is_made_leaves_one_that_is_found_or_none() {
    ends::while_a_key_is_made::<Ring>(MAKING).await;
}

#[tokio::test]
async fn a_crash_while_a_key_is_destroyed_leaves_nothing_that_a_second_try_does_not_find() {
    ends::while_a_key_is_destroyed::<Ring>(1).await;
}

impl Stage for Ring {
    fn set() -> Self {
        Self::new()
    }

    fn faults(&self) -> &Faults {
        self.stand_in.faults()
    }

    fn begin(&self) -> Arc<dyn Backend> {
        Arc::new(self.again())
    }

    fn alive(&self) -> usize {
        self.stand_in.states().iter().filter(|state| **state != "DESTROY_SCHEDULED").count()
    }
}

#[tokio::test]
async fn what_the_reaper_finds_of_a_key_that_is_still_being_made_it_destroys() {
    for number in 0..MAKING {
        let (ring, request) = (Ring::new(), request(KeyType::EcP256));
        *ring.stand_in.pending.lock().unwrap() = 3;
        assert!(ends::ends_while_making(&ring, &request, number, Fault::HangAfter).await);

        let found = ring.gcp.find(&request.tenant, request.key_id, soon()).await.unwrap().unwrap();
        ring.gcp.destroy(&object(&request, &found), soon()).await.unwrap();
        assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"], "{number}");
        assert_eq!(ring.gcp.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
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

#[tokio::test(start_paused = true)]
async fn a_trial_is_in_doubt_of_what_it_asked_for_itself_alone() {
    let ring = Ring::with(|connection| (connection.doubt, connection.first) = (DOUBT, true));
    let request = request(KeyType::EcP256);
    let unrecorded = object(&request, &NativeId::new(request.key_id.to_string()));
    is_gone(&ring, &unrecorded).await;

    ring.stand_in.faults().always("POST /v1/projects", Fault::Answer(Answer::of(504, "")));
    ring.gcp.generate(request.clone(), soon()).await.unwrap_err();
    ring.stand_in.faults().clear();

    is_in_doubt(&ring, &unrecorded).await;
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
    let standing = ring.gcp.state(object, soon()).await.unwrap_err();

    for unsure in [found, destroyed, standing] {
        assert_eq!(unsure.kind, FailureKind::Unavailable, "{unsure}");
        assert!(unsure.retry_after.is_some_and(|left| left <= DOUBT), "{unsure}");
    }
}

async fn is_gone(ring: &Ring, object: &Object) {
    assert_eq!(ring.gcp.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
    ring.gcp.destroy(object, soon()).await.unwrap();
    assert_eq!(ring.gcp.state(object, soon()).await.unwrap(), KeyState::Gone);
}

/// The calls of making a key: make, look whether it is ready, ask for the public half.
const MAKING: usize = 3;
const DOUBT: Duration = Duration::from_secs(30);
