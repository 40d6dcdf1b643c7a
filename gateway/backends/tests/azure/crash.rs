//! Gateways that end between any two calls, keys whose making was not answered, and several gateways that make the same.

use std::sync::Arc;
use std::time::Duration;

use keyport_backends::azure::Connection;
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::{Fault, Faults};

use crate::ends::{self, Stage};
use crate::opened::Opened;
use crate::suite::{object, request, soon};
use crate::trouble::refusal;

#[tokio::test]
async fn a_crash_while_a_key_is_made_leaves_one_that_is_found_or_none() {
    // A token, look by name, make, look again, and at its versions.
    ends::while_a_key_is_made::<Opened>(5).await;
}

#[tokio::test]
async fn a_crash_while_a_key_is_destroyed_leaves_nothing_that_a_second_try_does_not_find() {
    // A token, delete.
    ends::while_a_key_is_destroyed::<Opened>(2).await;
}

impl Stage for Opened {
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
        self.stand_in.versions().iter().sum()
    }
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
