//! A gateway that dies between any two calls of making a key, or of destroying it: exactly one key is there afterwards, or none.

use keyport_core::backend::{Backend, Generate};
use keyport_core::scheme::KeyType;
use keyport_stand_ins::Fault;

use crate::ring::Ring;
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
        while ring.stand_in.states().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    making.abort();
    position > 0 || acted
}
