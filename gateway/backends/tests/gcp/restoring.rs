//! Versions that were destroyed and come back, in one try or in two.

use std::time::Duration;

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::{Answer, Fault};

use crate::ring::Ring;
use crate::suite::{object, request, soon};

async fn destroyed() -> (Ring, Object) {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);
    ring.gcp.destroy(&object, soon()).await.unwrap();

    (ring, object)
}

#[tokio::test]
async fn a_gateway_that_dies_while_it_restores_leaves_what_can_be_restored_or_destroyed() {
    let calls =
        [("GET /v1/projects", 1, "DESTROY_SCHEDULED"), (":restore", 2, "DISABLED"), ("PATCH", 4, "ENABLED")];
    let faults = [Fault::HangBefore, Fault::HangAfter];
    let ways =
        faults.into_iter().flat_map(|fault| [true, false].map(|is_restored| (fault.clone(), is_restored)));
    for ((call, number, state), (fault, is_restored)) in
        calls.into_iter().flat_map(|call| ways.clone().map(move |way| (call, way)))
    {
        let (ring, object) = destroyed().await;
        let acts = matches!(fault, Fault::HangAfter);
        ring.stand_in.faults().add(call, 1, fault);
        died_restoring(&ring, &object, number, acts.then_some(state)).await;

        if is_restored {
            ring.gcp.restore(&object, soon()).await.unwrap();
            ring.gcp.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
        } else {
            ring.gcp.destroy(&object, soon()).await.unwrap();
            assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"], "{call}");
        }
    }
}

/// Has a key restored by a gateway that dies at the call of this number, when the service has come so far.
async fn died_restoring(ring: &Ring, object: &Object, number: usize, state: Option<&'static str>) {
    let before = ring.stand_in.heard().len();
    let (gcp, object) = (ring.gcp.clone(), object.clone());
    let restoring = tokio::spawn(async move { gcp.restore(&object, soon()).await });

    ring.stand_in.asked(before + number).await;
    ring.until(|stand_in| state.is_none_or(|state| stand_in.states() == [state])).await;
    restoring.abort();
}

#[tokio::test]
async fn a_key_that_an_operator_restored_is_enabled() {
    let (ring, object) = destroyed().await;
    ring.stand_in.put_all("DISABLED");

    ring.gcp.restore(&object, soon()).await.unwrap();

    assert_eq!(ring.stand_in.states(), ["ENABLED"]);
}

#[tokio::test]
async fn a_key_whose_time_is_over_is_gone() {
    let (ring, object) = destroyed().await;
    ring.stand_in.put_all("DESTROYED");

    let refused = ring.gcp.restore(&object, soon()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::KeyGone);
    assert!(refused.message.contains("time in which it could be restored is over"), "{refused}");
}

#[tokio::test]
async fn a_role_that_may_not_restore_is_the_operators_matter() {
    let (ring, object) = destroyed().await;
    let body = r#"{"error":{"status":"PERMISSION_DENIED","message":"cloudkms.cryptoKeyVersions.restore"}}"#;
    ring.stand_in.faults().add(":restore", 1, Fault::Answer(Answer::of(403, body)));

    let refused = ring.gcp.restore(&object, soon()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::Denied);
    assert!(refused.message.contains("cloudkms.cryptoKeyVersions.restore"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_never_comes_back_is_given_up_by_the_deadline() {
    let (ring, object) = destroyed().await;
    let began = tokio::time::Instant::now();
    let lie = Fault::Lie(|version| version["state"] = "DISABLED".into());
    ring.stand_in.faults().add("GET /v1/projects", 1000, lie);

    let refused = ring.gcp.restore(&object, began.into_std() + Duration::from_secs(5)).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.message.contains("still being restored"), "{refused}");
    assert!(began.elapsed() <= Duration::from_secs(5));
}
