//! How versions stand in the service.

use std::time::{Duration, SystemTime};

use keyport_core::backend::{Backend, KeyState};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::{Answer, Fault};

use crate::ring::{RING, Ring};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_version_stands_as_google_says_and_asking_changes_nothing() {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);
    let before = ring.stand_in.heard().len();

    // 2100-01-31, as the stand-in says of all of them.
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(4_105_036_800);
    for (state, expected) in [
        ("DISABLED", KeyState::Disabled),
        ("DESTROY_SCHEDULED", KeyState::PendingDeletion(Some(until.into()))),
        ("DESTROYED", KeyState::Gone),
        ("IMPORT_FAILED", KeyState::Gone),
        ("ENABLED", KeyState::Enabled),
    ] {
        ring.stand_in.put_all(state);

        assert_eq!(ring.gcp.state(&object, soon()).await.unwrap(), expected, "{state}");
        assert_eq!(ring.stand_in.states(), [state]);
    }
    let heard = ring.stand_in.heard().split_off(before);
    assert!(heard.len() == 5 && heard.iter().all(|call| call.starts_with("GET ")), "{heard:?}");
}

#[tokio::test]
async fn a_version_of_another_ring_is_gone_and_one_that_nobody_may_see_is_not() {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    let state = async |name: String| -> Result<KeyState, Failure> {
        ring.gcp.state(&object(&request, &NativeId::new(name)), soon()).await
    };

    let elsewhere = RING.replace("prod", "test") + "/cryptoKeys/a/cryptoKeyVersions/1";
    assert_eq!(state(elsewhere).await.unwrap(), KeyState::Gone);
    let body = r#"{"error":{"status":"PERMISSION_DENIED","message":"cloudkms.cryptoKeyVersions.get"}}"#;
    ring.stand_in.faults().add("GET /v1/projects", 1, Fault::Answer(Answer::of(403, body)));
    let refused = state(format!("{RING}/cryptoKeys/a/cryptoKeyVersions/1")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Denied);
}
