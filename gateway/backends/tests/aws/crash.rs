//! Gateways that end between any two calls, and several that do the same.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use keyport_backends::aws::Aws;
use keyport_core::backend::{Backend, Generate, Generated};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::aws::{Key, REGION, StandIn, refusal};
use keyport_stand_ins::{Answer, Fault, Faults};
use serde_json::json;
use tokio::task::JoinSet;

use crate::account::{made_and_left, opened, opened_with, settle};
use crate::ends::{self, Stage, ends_while_making};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_crash_while_a_key_is_made_leaves_one_that_is_found_or_none() {
    // Look by name, look by tag, make, name, ask for the public half.
    ends::while_a_key_is_made::<StandIn>(5).await;
}

#[tokio::test]
async fn a_crash_while_a_key_is_destroyed_leaves_nothing_that_a_second_try_does_not_find() {
    // Look by tag, schedule its deletion.
    ends::while_a_key_is_destroyed::<StandIn>(2).await;
}

impl Stage for StandIn {
    fn set() -> Self {
        Self::start()
    }

    fn faults(&self) -> &Faults {
        Self::faults(self)
    }

    fn begin(&self) -> Arc<dyn Backend> {
        Arc::new(opened(self))
    }

    fn alive(&self) -> usize {
        self.keys().alive()
    }

    async fn settle(&self) {
        settle().await;
    }
}

#[tokio::test]
async fn nobody_says_that_there_is_no_key_while_the_index_may_lag_behind() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    service.let_index_lag(true);
    // Two looks, and the key is made, but nobody hears of it.
    assert!(ends_while_making(&service, &request, 2, Fault::HangAfter).await);

    let hour = Duration::from_secs(3600);
    let aws = opened_with(&service, |connection| connection.settling = hour);
    let unsure = aws.find(&request.tenant, request.key_id, soon()).await.unwrap_err();
    assert_eq!(unsure.kind, FailureKind::Unavailable);
    assert!(unsure.retry_after.is_some_and(|left| left <= hour && left > hour / 2), "{unsure:?}");

    service.let_index_lag(false);
    let found = aws.find(&request.tenant, request.key_id, soon()).await.unwrap();
    assert_eq!(found.as_ref().map(|found| found.as_str()), Some(service.keys().all()[0].arn.as_str()));
}

#[tokio::test]
async fn keys_on_later_pages_of_the_index_are_destroyed_too() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let aws = opened(&service);
    let made = aws.generate(request.clone(), soon()).await.unwrap();
    let tags = service.keys().all()[0].tags.clone();
    for _left_by_a_crash in 0..2 {
        let mut twin = Key::new(REGION, "ECC_NIST_P256", false);
        twin.tags.clone_from(&tags);
        service.keys().add(twin);
    }

    aws.destroy(&object(&request, &made.native_id), soon()).await.unwrap();

    assert_eq!(service.keys().alive(), 0);
}

#[tokio::test]
async fn an_index_that_goes_on_for_ever_is_given_up() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let endless = json!({ "PaginationToken": "more", "ResourceTagMappingList": [] });
    service.faults().always("GetResources", Fault::Answer(Answer::json(200, &endless)));

    let given_up = opened(&service).find(&request.tenant, request.key_id, soon()).await.unwrap_err();

    assert_eq!(given_up.kind, FailureKind::Internal, "{given_up}");
}

#[tokio::test]
async fn a_key_that_is_destroyed_is_known_to_be_gone_at_once() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let aws = opened_with(&service, |connection| connection.settling = Duration::from_secs(3600));
    let made = aws.generate(request.clone(), soon()).await.unwrap();

    aws.destroy(&object(&request, &made.native_id), soon()).await.unwrap();

    assert_eq!(aws.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_make_the_same_key_at_once_have_one() {
    for _ in 0..8 {
        let (service, request) = (StandIn::start(), request(KeyType::EcP256));
        let gateways = [Arc::new(opened(&service)), Arc::new(opened(&service))];

        let mut made = JoinSet::new();
        for aws in gateways.iter().cycle().take(8) {
            made.spawn(made_by(Arc::clone(aws), request.clone()));
        }
        let made: HashSet<_> = made.join_all().await.into_iter().collect();

        assert_eq!((made.len(), service.keys().alive()), (1, 1));
    }
}

async fn made_by(aws: Arc<Aws>, request: Generate) -> NativeId {
    aws.generate(request, soon()).await.unwrap().native_id
}

/// A key that its maker must not name, which another gateway finds by its tags and names before its maker's call of this kind is done.
async fn named_meanwhile(call: &'static str) -> (StandIn, Result<Generated, Failure>) {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let denied = refusal(400, "AccessDeniedException", "not authorized to perform: kms:CreateAlias");
    service.faults().add(
        call,
        1,
        Fault::Answer(refusal(400, "ThrottlingException", "").with("retry-after", "1")),
    );
    service.faults().always("CreateAlias", Fault::Answer(denied));
    let aws = opened(&service);

    let other = async {
        while service.count(call) == 0 {
            tokio::task::yield_now().await;
        }
        let id = service.keys().all()[0].id.clone();
        assert!(service.keys().alias(&format!("alias/keyport-{}", request.key_id), &id));
    };
    let (made, ()) = tokio::join!(aws.generate(request.clone(), soon()), other);
    (service, made)
}

#[tokio::test]
async fn a_new_key_that_another_gateway_named_is_not_given_up() {
    for call in ["CreateAlias", "ScheduleKeyDeletion"] {
        let (service, made) = named_meanwhile(call).await;

        assert_eq!(made.unwrap().native_id.as_str(), service.keys().all()[0].arn, "{call}");
        assert_eq!(made_and_left(&service), (1, 1), "{call}");
        assert_eq!(service.count("CancelKeyDeletion"), service.count("ScheduleKeyDeletion") / 2, "{call}");
    }
}

#[tokio::test]
async fn what_another_try_left_is_destroyed_with_the_key() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    // The index lags, so that the second gateway makes another one, and ends before it finds out that it was late.
    service.let_index_lag(true);
    assert!(ends_while_making(&service, &request, 2, Fault::HangAfter).await);
    let aws = opened(&service);
    let made = aws.generate(request.clone(), soon()).await.unwrap();
    assert_eq!(service.keys().alive(), 2);

    service.let_index_lag(false);
    aws.destroy(&object(&request, &made.native_id), soon()).await.unwrap();

    assert_eq!(service.keys().alive(), 0);
}
