//! Keys that were deleted and come back, which goes on at the vault after it has answered.

use std::sync::Arc;
use std::time::Duration;

use keyport_backends::azure::{Azure, Proof};
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::Fault;

use crate::clock::Ahead;
use crate::opened::{Opened, application, connection};
use crate::suite::{object, request, soon};

async fn deleted() -> (Opened, Object) {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);
    opened.azure.destroy(&object, soon()).await.unwrap();

    (opened, object)
}

/// The gateway, started again.
fn again(opened: &Opened) -> Azure {
    let (url, secret) = (opened.stand_in.url(), opened.folder.path().join("secret"));

    Azure::open(connection(&url, application(&url, Proof::Secret(secret))), Arc::new(Ahead::default()))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_key_is_waited_for_until_it_is_back() {
    let (opened, object) = deleted().await;
    *opened.stand_in.slowness.lock().unwrap() = 5;

    opened.azure.restore(&object, soon()).await.unwrap();

    opened.azure.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    let heard = opened.stand_in.heard();
    assert_eq!(heard.iter().filter(|call| call.ends_with("/recover")).count(), 1, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_still_on_its_way_back_is_not_taken_for_one_that_is_gone() {
    for restarts in [false, true] {
        let (opened, object) = deleted().await;
        *opened.stand_in.slowness.lock().unwrap() = 20;
        let deadline = tokio::time::Instant::now().into_std() + Duration::from_secs(2);
        let refused = opened.azure.restore(&object, deadline).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unavailable);
        assert!(refused.message.contains("still being recovered"), "{refused}");

        // It is nowhere now; whoever believes that leaves a key that signs.
        let second = again(&opened);
        let azure = if restarts { &second } else { &*opened.azure };
        let unsure = azure.destroy(&object, soon()).await.unwrap_err();
        assert!(unsure.message.contains("on its way back"), "{unsure}");

        azure.restore(&object, soon()).await.unwrap();
        azure.destroy(&object, soon()).await.unwrap();
        assert!(opened.stand_in.versions().is_empty());
        azure.destroy(&object, soon()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_nowhere_for_long_is_gone() {
    let (opened, object) = deleted().await;
    opened.stand_in.deleted.lock().unwrap().clear();
    opened.azure.destroy(&object, soon()).await.unwrap_err();

    tokio::time::advance(Duration::from_secs(601)).await;

    opened.azure.destroy(&object, soon()).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_dies_while_it_restores_leaves_what_can_be_restored() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let (opened, object) = deleted().await;
        let acts = matches!(fault, Fault::HangAfter);
        opened.stand_in.faults().add("/recover", 1, fault);
        let (azure, lost) = (opened.azure.clone(), object.clone());
        let before = opened.stand_in.heard().len();
        let restoring = tokio::spawn(async move { azure.restore(&lost, soon()).await });
        opened.stand_in.asked(before + 2).await;
        opened.until(|stand_in| !acts || stand_in.deleted.lock().unwrap().is_empty()).await;
        restoring.abort();

        let azure = again(&opened);
        azure.restore(&object, soon()).await.unwrap();
        azure.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_was_purged_is_gone() {
    let (opened, object) = deleted().await;
    opened.stand_in.deleted.lock().unwrap().clear();

    let refused = opened.azure.restore(&object, soon()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::KeyGone);
    assert!(refused.message.contains("was purged"), "{refused}");
}

#[tokio::test]
async fn a_key_that_an_operator_disabled_stays_so() {
    let (opened, object) = deleted().await;
    for key in opened.stand_in.deleted.lock().unwrap().values_mut().flatten() {
        key.enabled = false;
    }

    let refused = opened.azure.restore(&object, soon()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::OperatorNeeded);
    assert!(refused.message.contains("enable it in the vault"), "{refused}");
    opened.azure.destroy(&object, soon()).await.unwrap();
    assert!(opened.stand_in.versions().is_empty());
}
