//! Keys as the account has them.

use std::time::Duration;

use keyport_backends::aws::{Aws, DeletionWindow, Source};
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::Fault;
use keyport_stand_ins::aws::{ACCOUNT, FOREIGN, REGION, StandIn, State};
use serde_json::json;
use tempfile::TempDir;

use crate::account::{custodian, opened, opened_with, signed};
use crate::awaited;
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_key_says_whose_it_is_and_bears_its_key_id() {
    let service = StandIn::start();
    let aws = opened(&service);
    let request = request(KeyType::EcP256);

    let made = aws.generate(request.clone(), soon()).await.unwrap();

    let mut keys = service.keys();
    let key = keys.get(&format!("alias/keyport-{}", request.key_id)).unwrap();
    assert_eq!(key.arn, made.native_id.as_str());
    assert_eq!((key.usage.as_str(), key.spec.as_str()), ("SIGN_VERIFY", "ECC_NIST_P256"));
    assert_eq!(key.description, "a key of conformance");
    let tags = [
        ("keyport:key-id", request.key_id.to_string()),
        ("keyport:gateway", "keyport".to_owned()),
        ("keyport:tenant", "conformance".to_owned()),
    ];
    assert_eq!(key.tags, tags.map(|(key, value)| (key.to_owned(), value)));
}

#[tokio::test]
async fn what_it_makes_is_known_without_asking() {
    let service = StandIn::start();
    let aws = opened(&service);

    for key_type in KeyType::ALL {
        assert!(aws.offers(key_type, soon()).await.unwrap().is_ok(), "{key_type}");
    }
    assert_eq!(service.heard().len(), 0);
}

#[tokio::test]
async fn a_signature_is_one_call() {
    let service = StandIn::start();
    let custodian = custodian(opened(&service));
    let (object, _) = custodian.make(KeyType::EcP256).await;
    let before = service.heard().len();

    signed(&*custodian.backend, &object).await.unwrap();

    assert_eq!(service.heard()[before..], ["Sign"]);
}

#[tokio::test]
async fn the_account_and_the_region_are_its_identity() {
    let aws = opened(&StandIn::start());

    assert_eq!(aws.identity(soon()).await.unwrap(), Some(format!("aws:{ACCOUNT}:{REGION}")));
}

#[tokio::test]
async fn credentials_of_another_account_neither_find_nor_make_nor_delete_keys() {
    let service = StandIn::start();
    let bound = |account: &str| Some(format!("aws:{account}:{REGION}"));
    let ours = opened_with(&service, |connection| connection.identity = bound(ACCOUNT));
    let request = request(KeyType::EcP256);
    let made = ours.generate(request.clone(), soon()).await.unwrap();
    assert_eq!(service.count("GetCallerIdentity"), 1);

    let foreign = opened_with(&service, |connection| connection.identity = bound(FOREIGN));
    let object = object(&request, &made.native_id);
    refuses_everything(&foreign, &request, &object).await;
    assert_eq!(service.keys().alive(), 1);
}

#[tokio::test]
async fn credentials_that_are_exchanged_for_another_accounts_neither_find_nor_make_nor_delete_keys() {
    // Bound by a gateway before this one, or by this one.
    for identity in [Some(format!("aws:{ACCOUNT}:{REGION}")), None] {
        let (service, folder) = (StandIn::start(), TempDir::new().unwrap());
        // Each use of the credentials is their last one.
        service.set_clock_ahead(-60);
        service.users().lifetime = 60;
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, "good-token").unwrap();
        let aws = opened_with(&service, |connection| {
            let role_arn = format!("arn:aws:iam::{ACCOUNT}:role/keyport");
            connection.credentials = Source::WebIdentity { role_arn, token_file: token_file.clone() };
            connection.identity = identity;
        });
        aws.identity(soon()).await.unwrap();
        let request = request(KeyType::EcP256);
        let made = aws.generate(request.clone(), soon()).await.unwrap();
        let object = object(&request, &made.native_id);

        std::fs::write(&token_file, "foreign-token").unwrap();
        refuses_everything(&aws, &request, &object).await;
        assert_eq!(service.keys().alive(), 1);

        std::fs::write(&token_file, "good-token").unwrap();
        aws.destroy(&object, soon()).await.unwrap();
        assert_eq!(service.keys().alive(), 0);
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_he_can_for_who_asks_whose_the_credentials_are() {
    let service = StandIn::start();
    service.faults().always("GetCallerIdentity", Fault::HangBefore);
    let bound = Some(format!("aws:{ACCOUNT}:{REGION}"));
    let aws = opened_with(&service, |connection| connection.identity = bound);
    let making = async {
        let late = aws.generate(request(KeyType::EcP256), soon()).await;
        panic!("the services do not say whose the credentials are: {late:?}");
    };
    let looking = async {
        service.faults().has_hung().await;
        let deadline = tokio::time::Instant::now() + Duration::from_millis(200);
        aws.health(deadline.into_std()).await.unwrap_err()
    };

    let refused = tokio::select! {
        () = making => return,
        refused = looking => refused,
    };

    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.message.contains("whose the credentials are"), "{refused}");
}

/// Whoever sees keys of another account than their own says so, whatever is asked.
async fn refuses_everything(aws: &Aws, request: &Generate, object: &Object) {
    let refusals = [
        aws.find(&request.tenant, request.key_id, soon()).await.map(drop),
        aws.generate(request.clone(), soon()).await.map(drop),
        aws.destroy(object, soon()).await,
        aws.restore(object, soon()).await,
        aws.state(object, soon()).await.map(drop),
        aws.health(soon()).await,
    ];

    for refused in refusals.map(Result::unwrap_err) {
        assert!(
            refused.kind == FailureKind::OperatorNeeded
                && refused.message.contains(FOREIGN)
                && refused.message.contains("--rebind"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn another_gateways_key_of_the_same_key_id_is_not_this_ones() {
    let service = StandIn::start();
    let (aws, request) = (opened(&service), request(KeyType::EcP256));
    aws.generate(request.clone(), soon()).await.unwrap();

    let other = opened_with(&service, |connection| connection.prefix = "other".parse().unwrap());

    assert_eq!(other.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
    other.generate(request, soon()).await.unwrap();
    assert_eq!(service.keys().alive(), 2);
}

#[tokio::test]
async fn a_key_that_is_deleted_can_be_saved_for_as_long_as_configured() {
    let service = StandIn::start();
    let month = DeletionWindow::days(30).unwrap();
    let aws = opened_with(&service, |connection| connection.deletion_window = month);
    let request = request(KeyType::EcP256);
    let made = aws.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);

    for _ in 0..2 {
        aws.destroy(&object, soon()).await.unwrap();
    }
    assert_eq!(service.keys().get(made.native_id.as_str()).unwrap().window, Some(30));
    assert!(aws.leaves().unwrap().contains("30 days"));
    let refused = aws.generate(request.clone(), soon()).await.unwrap_err();
    assert!(refused.kind == FailureKind::KeyGone && refused.message.contains("cancel"), "{refused}");

    service.keys().get(made.native_id.as_str()).unwrap().state = State::Enabled;
    assert_eq!(aws.find(&request.tenant, request.key_id, soon()).await.unwrap(), Some(made.native_id));
    assert_eq!([6, 31].map(DeletionWindow::days), [None; 2]);
}

#[tokio::test]
async fn a_key_that_was_made_for_another_or_by_somebody_else_is_not_deleted() {
    let service = StandIn::start();
    let other = opened_with(&service, |connection| connection.prefix = "other".parse().unwrap());
    let (aws, request) = (opened(&service), request(KeyType::EcP256));
    let somebodys = other.generate(request.clone(), soon()).await.unwrap();
    let anothers = aws.generate(crate::suite::request(KeyType::EcP256), soon()).await.unwrap();

    for foreign in [somebodys, anothers] {
        let object = object(&request, &foreign.native_id);
        let refused = aws.destroy(&object, soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Denied);
        assert!(refused.message.contains("was not made for this key"), "{refused}");
    }
    assert_eq!((service.keys().alive(), service.count("ScheduleKeyDeletion")), (2, 0));
}

#[tokio::test]
async fn a_key_that_the_service_does_not_list_yet_is_told_by_its_alias_or_not_deleted_yet() {
    let service = StandIn::start();
    let (aws, request) = (opened(&service), request(KeyType::EcP256));
    let made = aws.generate(request.clone(), soon()).await.unwrap();
    let tags = std::mem::take(&mut service.keys().get(made.native_id.as_str()).unwrap().tags);
    assert_eq!(tags.len(), 3);

    let hour = Duration::from_secs(3600);
    let unsettled = opened_with(&service, |connection| connection.settling = hour);
    let foreign = object(&crate::suite::request(KeyType::EcP256), &made.native_id);
    let refused = unsettled.destroy(&foreign, soon()).await.unwrap_err();
    assert!(refused.kind == FailureKind::Unavailable && refused.retry_after.is_some(), "{refused}");
    assert_eq!(service.keys().alive(), 1);
    aws.destroy(&object(&request, &made.native_id), soon()).await.unwrap();
    assert_eq!(service.keys().alive(), 0);
}

#[tokio::test]
async fn a_replica_goes_with_its_primary_key_whose_alias_and_tags_it_does_not_have() {
    let service = StandIn::start();
    let aws = opened_with(&service, |connection| connection.multi_region = true);
    let replica = aws.generate(request(KeyType::EcP256), soon()).await.unwrap();
    let replicated = |answer: &mut serde_json::Value| {
        answer["KeyMetadata"]["MultiRegionConfiguration"] = json!({ "MultiRegionKeyType": "REPLICA" });
    };
    let known_elsewhere = object(&request(KeyType::EcP256), &replica.native_id);

    assert_eq!(aws.destroy(&known_elsewhere, soon()).await.unwrap_err().kind, FailureKind::Denied);
    for _alias_and_key in 0..2 {
        service.faults().add("DescribeKey", 1, Fault::Lie(replicated));
    }
    aws.destroy(&known_elsewhere, soon()).await.unwrap();
    assert_eq!(service.keys().alive(), 0);
}

#[tokio::test]
async fn a_key_that_is_disabled_signs_nothing_and_says_so() {
    let service = StandIn::start();
    let custodian = custodian(opened(&service));
    let (object, _) = custodian.make(KeyType::EcP256).await;
    service.keys().get(object.native_id.as_str()).unwrap().state = State::Disabled;

    let refused = signed(&*custodian.backend, &object).await.unwrap_err();

    assert!(refused.kind == FailureKind::KeyGone && refused.message.contains("enable it"), "{refused}");
    assert_eq!(custodian.backend.code_name(refused.code), Some("DisabledException"));
}

#[tokio::test]
async fn a_new_key_that_is_not_there_for_everybody_yet_is_waited_for() {
    let service = StandIn::start();
    service.keys().unseen = 3;

    let (aws, request) = (opened(&service), request(KeyType::EcP256));
    let made = aws.generate(request.clone(), soon()).await.unwrap();

    assert_eq!((service.count("CreateKey"), service.count("CreateAlias")), (1, 4));
    assert_eq!(aws.find(&request.tenant, request.key_id, soon()).await.unwrap(), Some(made.native_id));
}

#[tokio::test]
async fn a_key_that_is_still_being_made_is_waited_for() {
    let service = StandIn::start();
    let (aws, request) = (opened(&service), request(KeyType::EcP256));
    let made = aws.generate(request.clone(), soon()).await.unwrap();
    service.keys().get(made.native_id.as_str()).unwrap().state = State::Creating;

    // Another gateway, which has not seen the public half.
    let (aws, again) = (opened(&service), request.clone());
    let waits = tokio::spawn(async move { aws.generate(again, soon()).await });
    awaited::until(|| service.count("GetPublicKey") >= 3, || service.heard()).await;
    service.keys().get(made.native_id.as_str()).unwrap().state = State::Enabled;

    assert_eq!(waits.await.unwrap().unwrap().native_id, made.native_id);
}

#[tokio::test]
async fn an_operators_key_is_located_by_any_of_its_names() {
    let service = StandIn::start();
    let (aws, request) = (opened(&service), request(KeyType::EcP384));
    let made = aws.generate(request.clone(), soon()).await.unwrap();
    let id = service.keys().all()[0].id.clone();

    for reference in [made.native_id.as_str(), &id, &format!("alias/keyport-{}", request.key_id)] {
        let located = aws.locate(reference, soon()).await.unwrap();
        assert_eq!((located.native_id, located.public), (made.native_id.clone(), made.public.clone()));
    }
}

#[tokio::test]
async fn what_cannot_sign_here_is_not_located() {
    let service = StandIn::start();
    let aws = opened(&service);
    let made = aws.generate(request(KeyType::EcP256), soon()).await.unwrap();
    let arn = made.native_id.as_str();
    let kind = async |reference: &str| aws.locate(reference, soon()).await.unwrap_err().kind;

    assert_eq!(kind("alias/nobody").await, FailureKind::NotFound);
    assert_eq!(kind("").await, FailureKind::InvalidArgument);
    assert_eq!(kind(&arn.replace(REGION, "us-east-1")).await, FailureKind::InvalidArgument);
    for (state, expected) in
        [(State::Disabled, FailureKind::KeyGone), (State::PendingDeletion, FailureKind::KeyGone)]
    {
        service.keys().get(arn).unwrap().state = state;
        assert_eq!(kind(arn).await, expected);
    }

    service.keys().get(arn).unwrap().state = State::Enabled;
    for alter in [
        |answer: &mut serde_json::Value| answer["KeyMetadata"]["KeyUsage"] = json!("ENCRYPT_DECRYPT"),
        |answer: &mut serde_json::Value| answer["KeyMetadata"]["KeyManager"] = json!("AWS"),
        |answer: &mut serde_json::Value| answer["KeyMetadata"]["KeySpec"] = json!("SM2"),
    ] {
        service.faults().add("DescribeKey", 1, Fault::Lie(alter));
        assert_eq!(kind(arn).await, FailureKind::Unsupported);
    }
}

#[tokio::test]
async fn what_is_no_key_of_the_service_is_not_there_without_asking() {
    let service = StandIn::start();
    let aws = opened(&service);
    let request = request(KeyType::EcP256);
    let object = Object { native_id: NativeId::new("0a1b"), ..object(&request, &NativeId::new("")) };

    aws.destroy(&object, soon()).await.unwrap();
    assert_eq!(aws.public_key(&object, soon()).await.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(service.heard(), Vec::<String>::new());
}
