//! How keys stand in the service.

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, KeyState, Object};
use keyport_core::key::NativeId;
use keyport_core::outside::Timestamp;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::aws::{StandIn, State};

use crate::account::{opened, opened_with};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_key_stands_as_the_service_says_and_asking_changes_nothing() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let aws = opened(&service);
    let made = aws.generate(request.clone(), soon()).await.unwrap();
    // Its native id was recorded, or a crash came first.
    let nameless = NativeId::new(request.key_id.to_string());
    let before = service.heard().len();

    for (state, expected) in [
        (State::Disabled, KeyState::Disabled),
        (State::Creating, KeyState::Pending),
        (State::Enabled, KeyState::Enabled),
    ] {
        service.keys().get(made.native_id.as_str()).unwrap().state = state;
        for native_id in [&made.native_id, &nameless] {
            assert_eq!(aws.state(&object(&request, native_id), soon()).await.unwrap(), expected);
        }
        assert_eq!(service.keys().all()[0].state, state);
    }
    let reads = ["DescribeKey", "GetCallerIdentity", "GetResources"];
    let heard = service.heard().split_off(before);
    assert!(heard.iter().all(|call| reads.iter().any(|read| call.contains(read))), "{heard:?}");

    let object = object(&request, &made.native_id);
    aws.destroy(&object, soon()).await.unwrap();
    let until = KeyState::PendingDeletion(Some(Timestamp(1_800_000_000_500)));
    assert_eq!(aws.state(&object, soon()).await.unwrap(), until);
    assert_eq!(aws.state(&Object { native_id: nameless, ..object }, soon()).await.unwrap(), until);
}

#[tokio::test]
async fn another_accounts_key_is_not_called_gone() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let made = opened(&service).generate(request.clone(), soon()).await.unwrap();
    let elsewhere = opened_with(&service, |connection| {
        connection.identity = Some("aws:999999999999:eu-central-1".to_owned());
    });

    let refused = elsewhere.state(&object(&request, &made.native_id), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded);
}

#[tokio::test]
async fn a_key_that_is_no_key_of_the_service_is_gone() {
    let (service, request) = (StandIn::start(), request(KeyType::EcP256));
    let aws = opened(&service);
    let gone =
        NativeId::new("arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000");

    let object: Object = object(&request, &gone);
    assert_eq!(aws.state(&object, soon()).await.unwrap(), KeyState::Gone);
}
