//! Services that fail, refuse, lie, or do not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyport_backends::aws::Source;
use keyport_backends::cloud::{Rate, Rates};
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, StandIn, User, refusal};
use keyport_stand_ins::{Answer, Asked, Fault};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::account::{custodian, opened, opened_with, signed};
use crate::outage;
use crate::suite::{Custodian, request, soon};

async fn with_key() -> (StandIn, Custodian, Object) {
    let service = StandIn::start();
    let custodian = custodian(opened(&service));
    let (object, _) = custodian.make(KeyType::EcP256).await;

    (service, custodian, object)
}

async fn fails(service: &StandIn, custodian: &Custodian, object: &Object, fault: Fault) -> Failure {
    service.faults().always("Sign", fault);
    let failure = signed(&*custodian.backend, object).await.unwrap_err();
    service.faults().clear();

    failure
}

fn throttling() -> Answer {
    refusal(400, "ThrottlingException", "Rate exceeded")
}

#[tokio::test]
async fn a_call_that_was_one_too_many_is_made_again() {
    let (service, custodian, object) = with_key().await;
    for _ in 0..2 {
        service.faults().add("Sign", 1, Fault::Answer(throttling()));
    }

    signed(&*custodian.backend, &object).await.unwrap();

    assert_eq!(service.count("Sign"), 3);
}

#[tokio::test]
async fn a_storm_of_refusals_is_throttled_and_says_for_how_long() {
    let (service, custodian, object) = with_key().await;
    let failure = fails(&service, &custodian, &object, Fault::Answer(throttling())).await;
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::Throttled, None));
    assert_eq!(custodian.backend.code_name(failure.code), Some("ThrottlingException"));

    let failure =
        fails(&service, &custodian, &object, Fault::Answer(throttling().with("retry-after", "600"))).await;
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::Throttled, Some(Duration::from_secs(600))));
}

#[tokio::test]
async fn a_type_of_key_that_the_service_does_not_know_is_not_offered_and_other_mistakes_are_mistakes() {
    let service = StandIn::start();
    let aws = opened(&service);

    for (at, kind) in [("keySpec", FailureKind::Unsupported), ("tags", FailureKind::InvalidArgument)] {
        let message =
            format!("1 validation error detected: Value 'A' at '{at}' failed to satisfy constraint");
        let refused = refusal(400, "ValidationException", &message);
        service.faults().add("CreateKey", 1, Fault::Answer(refused));

        let failure = aws.generate(request(KeyType::Ed25519), soon()).await.unwrap_err();
        assert!(failure.kind == kind && failure.message.contains(at), "{failure}");
    }
}

#[tokio::test]
async fn no_key_is_made_twice_when_nobody_knows_what_became_of_the_first() {
    let service = StandIn::start();
    let aws = opened(&service);
    service.faults().add("CreateKey", 1, Fault::Cut);

    let failure = aws.generate(request(KeyType::EcP256), soon()).await.unwrap_err();

    assert_eq!((failure.kind, service.count("CreateKey")), (FailureKind::Unavailable, 1));
}

#[tokio::test]
async fn a_fault_of_the_service_passes_or_is_unavailable() {
    let (service, _, object) = with_key().await;
    for fault in [
        Fault::Answer(refusal(500, "KMSInternalException", "")),
        Fault::Answer(refusal(503, "DependencyTimeoutException", "")),
        Fault::Answer(Answer::of(502, "<html>Bad Gateway</html>")),
        Fault::Answer(refusal(500, "KeyUnavailableException", "")),
        Fault::Cut,
    ] {
        // The gate leaves a service alone that answered nothing; a new connection begins anew.
        let custodian = custodian(opened(&service));
        service.faults().add("Sign", 1, fault.clone());
        signed(&*custodian.backend, &object).await.unwrap();

        let failure = fails(&service, &custodian, &object, fault).await;
        assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_on_failing_is_left_alone() {
    let (service, custodian, object) = with_key().await;
    let refusal = refusal(503, "DependencyTimeoutException", "");

    outage::is_left_alone((&service, "Sign", refusal), (&*custodian.backend, &object)).await;
}

#[tokio::test]
async fn an_answer_to_another_question_is_no_signature() {
    let (service, custodian, object) = with_key().await;
    for lie in [
        |answer: &mut Value| answer["KeyId"] = json!("arn:aws:kms:eu-central-1:111122223333:key/another"),
        |answer: &mut Value| answer["SigningAlgorithm"] = json!("ECDSA_SHA_512"),
        |answer: &mut Value| answer["Signature"] = json!("AAAA"),
        |answer: &mut Value| drop(answer.as_object_mut().unwrap().remove("Signature")),
    ] {
        assert_eq!(fails(&service, &custodian, &object, Fault::Lie(lie)).await.kind, FailureKind::Internal);
    }
    for garbage in ["", "{", "null", "<html>"] {
        let failure = fails(&service, &custodian, &object, Fault::Answer(Answer::of(200, garbage))).await;
        assert_eq!(failure.kind, FailureKind::Internal, "{garbage}");
    }
    let endless = Fault::Answer(Answer::of(200, vec![b' '; 2 << 20]));
    assert_eq!(fails(&service, &custodian, &object, endless).await.kind, FailureKind::Internal);
}

#[tokio::test]
async fn another_keys_public_half_is_no_keys() {
    let service = StandIn::start();
    let aws = opened(&service);
    for lie in [
        |answer: &mut Value| answer["KeyId"] = json!("arn:aws:kms:eu-central-1:111122223333:key/another"),
        |answer: &mut Value| answer["PublicKey"] = json!("AAAA"),
    ] {
        service.faults().add("GetPublicKey", 1, Fault::Lie(lie));
        let failure = aws.generate(request(KeyType::EcP256), soon()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Internal);
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let (service, custodian, object) = with_key().await;
    let mut user = User::with_secret(SECRET);
    user.denied.insert("Sign");
    service.users().add(ACCESS_KEY, user);

    let failure = signed(&*custodian.backend, &object).await.unwrap_err();

    assert!(failure.kind == FailureKind::Denied && failure.message.contains("kms:Sign"), "{failure}");
    custodian.backend.health(soon()).await.unwrap();
}

#[tokio::test]
async fn a_quota_of_keys_is_the_operators_to_raise() {
    let service = StandIn::start();
    let aws = opened(&service);
    service.faults().add("CreateKey", 1, Fault::Answer(refusal(400, "LimitExceededException", "keys")));

    let failure = aws.generate(request(KeyType::EcP256), soon()).await.unwrap_err();

    assert_eq!((failure.kind, service.count("CreateKey")), (FailureKind::OperatorNeeded, 1));
}

#[tokio::test]
async fn a_call_that_hangs_ends_by_its_deadline() {
    let (service, custodian, object) = with_key().await;
    service.faults().always("Sign", Fault::HangBefore);
    let began = tokio::time::Instant::now();
    let deadline: Instant = (began + Duration::from_millis(300)).into_std();

    let failure = custodian.backend.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline).await.unwrap_err();

    assert_eq!(failure.kind, FailureKind::Unavailable);
    service.faults().clear();
    signed(&*custodian.backend, &object).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_at_once_are_signed_or_told_to_wait() {
    let service = StandIn::start();
    let rate = Rate { per_second: 100.0, burst: 600 };
    let rates = Rates { sign: Some(rate), ..Rates::default() };
    let custodian = custodian(opened_with(&service, |connection| connection.rates = rates));
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let deadline = (tokio::time::Instant::now() + Duration::from_secs(2)).into_std();
    let mut tasks = JoinSet::new();
    for _ in 0..1000 {
        let (backend, object) = (Arc::clone(&custodian.backend), object.clone());
        tasks.spawn(async move { backend.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline).await });
    }

    let outcomes = tasks.join_all().await;
    let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((600..=900).contains(&served), "{served}");
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert!(refused.kind == FailureKind::Throttled && refused.retry_after.is_some(), "{refused}");
    }
    signed(&*custodian.backend, &object).await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_repeats_the_session_token_is_told_without_it() {
    let service = StandIn::start();
    let mut user = User::with_secret(SECRET);
    user.token = Some(SESSION_TOKEN.to_owned());
    service.users().add(ACCESS_KEY, user);
    let credentials = Source::Static {
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: Secret::new(SECRET.as_bytes().to_vec()),
        session_token: Some(Secret::new(SESSION_TOKEN.as_bytes().to_vec())),
    };
    let custodian = custodian(opened_with(&service, |connection| connection.credentials = credentials));
    let (object, _) = custodian.make(KeyType::EcP256).await;

    for echo in [
        |asked: &Asked| refusal(400, "AccessDeniedException", asked.header("x-amz-security-token")),
        |asked: &Asked| refusal(400, asked.header("x-amz-security-token"), "so it is called"),
        |asked: &Asked| {
            let token = asked.header("x-amz-security-token");
            refusal(400, "AccessDeniedException", "no").with("x-amzn-errortype", token)
        },
    ] {
        let failure = fails(&service, &custodian, &object, Fault::Echo(echo)).await;
        assert!(failure.message.contains("[a credential]"), "{failure}");
        assert!(!failure.message.contains("IQoJb3JpZ2luX2Vj"), "{failure}");
    }
}

/// What a role has besides its key. Such as are real have slashes, which JSON may escape.
const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2Vj/stand+in/token==";
