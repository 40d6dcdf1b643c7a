//! Bad days: a service that refuses, fails, hangs, breaks off, or lies.

use std::time::Duration;

use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::{Answer, Asked, Fault};
use serde_json::{Value, json};

use crate::outage;
use crate::ring::Ring;
use crate::suite::{object, request, soon};

/// A ring with one key.
async fn with_key() -> (Ring, Object) {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();

    (ring, object(&request, &made.native_id))
}

async fn sign(ring: &Ring, object: &Object) -> Result<Vec<u8>, Failure> {
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_secs(10);

    ring.gcp.sign(object, Mechanism::Ecdsa, &[7; 32], deadline).await
}

/// How often the service was asked to sign.
fn signatures(ring: &Ring) -> usize {
    ring.stand_in.heard().iter().filter(|call| call.ends_with(":asymmetricSign")).count()
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_spent_is_waited_for_as_long_as_the_service_says() {
    let (ring, object) = with_key().await;
    for (busy, wait) in
        [(Answer::of(429, "").with("retry-after", "3"), 3000), (delayed("2.5s"), 2500), (delayed("0s"), 0)]
    {
        let began = tokio::time::Instant::now();
        ring.stand_in.faults().add(":asymmetricSign", 1, Fault::Answer(busy));

        sign(&ring, &object).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(wait), "{wait} {:?}", began.elapsed());
    }
}

/// An error in Google's words.
fn google(status: u16, name: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": status, "message": "m", "status": name } }))
}

fn delayed(delay: &str) -> Answer {
    let details = json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }]);

    let error = json!({ "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": details });

    Answer::json(429, &json!({ "error": error }))
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_refusals_ends_as_throttled_and_by_the_deadline() {
    let (ring, object) = with_key().await;
    let busy = || Answer::json(429, &json!({ "error": { "status": "RESOURCE_EXHAUSTED" } }));
    for busy in [busy(), busy().with("retry-after", "1"), busy().with("retry-after", "3600")] {
        ring.stand_in.faults().always(":asymmetricSign", Fault::Answer(busy));
        let began = tokio::time::Instant::now();

        let refused = sign(&ring, &object).await.unwrap_err();
        assert_eq!((refused.kind, refused.code), (FailureKind::Throttled, 8), "{refused}");
        assert!(began.elapsed() <= Duration::from_secs(10));
        ring.stand_in.faults().clear();
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
}

#[tokio::test]
async fn a_mishap_of_the_service_is_tried_again() {
    let (ring, object) = with_key().await;
    for fault in [
        Fault::Answer(google(503, "UNAVAILABLE")),
        Fault::Answer(google(500, "INTERNAL")),
        Fault::Answer(Answer::of(502, "<html>Bad gateway")),
        Fault::Cut,
    ] {
        ring.stand_in.faults().add(":asymmetricSign", 2, fault);
        let before = signatures(&ring);

        sign(&ring, &object).await.unwrap();
        assert_eq!(signatures(&ring), before + 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_and_fails_is_unavailable_and_is_left_alone() {
    let (ring, object) = with_key().await;
    let down = || google(503, "UNAVAILABLE");

    outage::is_left_alone((&ring.stand_in, ":asymmetricSign", down()), (&*ring.gcp, &object)).await;
    ring.stand_in.faults().always(":asymmetricSign", Fault::Answer(down()));
    let refused = sign(&ring, &object).await.unwrap_err();
    assert_eq!(ring.gcp.code_name(refused.code), Some("UNAVAILABLE"));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_by_the_deadline() {
    let (ring, object) = with_key().await;
    ring.stand_in.faults().add(":asymmetricSign", 1, Fault::HangAfter);
    let began = tokio::time::Instant::now();
    let deadline = began.into_std() + Duration::from_millis(300);

    let refused = ring.gcp.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!((300..2000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    sign(&ring, &object).await.unwrap();
}

#[tokio::test]
async fn a_lie_is_never_a_signature() {
    let (ring, object) = with_key().await;
    let lies: [fn(&mut Value); 8] = [
        |answer| answer["name"] = answer["name"].as_str().unwrap().replace("/1", "/2").into(),
        |answer| answer["name"] = json!(null),
        |answer| answer["signatureCrc32c"] = json!("1"),
        |answer| answer["signatureCrc32c"] = json!(null),
        |answer| answer["signature"] = json!("AAAA"),
        |answer| answer["signature"] = json!("no base64!"),
        |answer| answer["verifiedDigestCrc32c"] = json!(false),
        |answer| *answer = json!("garbage"),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        ring.stand_in.faults().add(":asymmetricSign", 1, Fault::Lie(lie));
        let before = signatures(&ring);

        assert_eq!(sign(&ring, &object).await.unwrap_err().kind, FailureKind::Internal, "{number}");
        assert_eq!(signatures(&ring), before + 1);
    }
}

#[tokio::test]
async fn a_lie_is_never_a_public_half() {
    let (ring, object) = with_key().await;
    let lies: [fn(&mut Value); 5] = [
        |answer| answer["name"] = answer["name"].as_str().unwrap().replace("/1", "/2").into(),
        |answer| answer["pem"] = json!("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        |answer| answer["pemCrc32c"] = json!("1"),
        |answer| answer["algorithm"] = json!("EC_SIGN_P384_SHA384"),
        |answer| *answer = json!([]),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        ring.stand_in.faults().add("/publicKey", 1, Fault::Lie(lie));

        let refused = ring.gcp.public_key(&object, soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Internal, "{number}");
    }
}

#[tokio::test]
async fn a_lie_about_a_version_is_believed_by_nobody() {
    let (ring, object) = with_key().await;
    let request = Generate { key_id: object.key_id, ..request(KeyType::EcP256) };
    let lies: [fn(&mut Value); 4] = [
        |answer| answer["name"] = answer["name"].as_str().unwrap().replace("keyport-", "another-").into(),
        |answer| answer["name"] = answer["name"].as_str().unwrap().replace("/1", "/2").into(),
        |answer| answer["name"] = json!(null),
        |answer| *answer = json!([]),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        ring.stand_in.faults().always("GET /v1/projects", Fault::Lie(lie));
        let told = [
            ring.gcp.generate(request.clone(), soon()).await.unwrap_err(),
            ring.gcp.find(&object.tenant, object.key_id, soon()).await.unwrap_err(),
            ring.gcp.locate(object.native_id.as_str(), soon()).await.unwrap_err(),
            ring.gcp.state(&object, soon()).await.unwrap_err(),
            ring.gcp.restore(&object, soon()).await.unwrap_err(),
        ];
        ring.stand_in.faults().clear();

        assert!(told.iter().all(|failure| failure.kind == FailureKind::Internal), "{number} {told:?}");
    }
    assert_eq!(ring.stand_in.states(), ["ENABLED"]);
}

#[tokio::test]
async fn a_page_of_something_on_the_way_destroys_no_key_and_finds_none() {
    let (ring, object) = with_key().await;
    let page = || Fault::Answer(Answer::of(404, "<html>Not found"));
    ring.stand_in.faults().add("cryptoKeyVersions/1", 2, page());

    let refused = ring.gcp.find(&object.tenant, object.key_id, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Internal);
    assert_eq!(ring.gcp.destroy(&object, soon()).await.unwrap_err().kind, FailureKind::Internal);
    assert_eq!(ring.stand_in.states(), ["ENABLED"]);
}

#[tokio::test]
async fn a_policy_that_forbids_destruction_is_for_an_operator() {
    let (ring, object) = with_key().await;
    ring.stand_in.faults().add(":destroy", 1, Fault::Answer(google(400, "FAILED_PRECONDITION")));

    let refused = ring.gcp.destroy(&object, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded);
}

#[tokio::test]
async fn a_permission_that_is_lacking_is_denied_and_not_tried_again() {
    let (ring, object) = with_key().await;
    ring.stand_in.faults().add(":asymmetricSign", 1, Fault::Answer(google(403, "PERMISSION_DENIED")));

    let refused = sign(&ring, &object).await.unwrap_err();
    assert_eq!((refused.kind, signatures(&ring)), (FailureKind::Denied, 1));
}

#[tokio::test]
async fn a_thousand_signatures_at_once_are_made() {
    let (ring, object) = with_key().await;
    let signatures = (0..1000).map(|_| sign(&ring, &object));

    let made = futures_util::future::join_all(signatures).await;
    let failed: Vec<_> = made.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} {:?}", failed.len(), failed.first());
}

#[tokio::test]
async fn a_refusal_that_repeats_the_token_is_told_without_it() {
    let (ring, object) = with_key().await;
    let echo = |asked: &Asked| {
        let error =
            json!({ "code": 403, "status": "PERMISSION_DENIED", "message": asked.header("authorization") });
        Answer::json(403, &json!({ "error": error }))
    };
    ring.stand_in.faults().always(":asymmetricSign", Fault::Echo(echo));

    let failure = sign(&ring, &object).await.unwrap_err();
    assert!(failure.message.contains("Google says: Bearer [a credential]"), "{failure}");
    assert!(!failure.message.contains("eyJ"), "{failure}");
}
