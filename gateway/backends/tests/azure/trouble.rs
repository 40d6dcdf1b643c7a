//! Bad days: a vault that refuses, fails, hangs, breaks off, or lies.

use std::time::Duration;

use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::{Answer, Asked, Fault};
use serde_json::{Value, json};

use crate::opened::{Opened, write};
use crate::outage;
use crate::suite::{object, request, soon};

async fn with_key() -> (Opened, Object) {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();

    (opened, object(&request, &made.native_id))
}

async fn sign(opened: &Opened, object: &Object) -> Result<Vec<u8>, Failure> {
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_secs(10);

    opened.azure.sign(object, Mechanism::Ecdsa, &[7; 32], deadline).await
}

pub(crate) fn refusal(status: u16, code: &str) -> Answer {
    said(status, code, "m")
}

fn said(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": code, "message": message } }))
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_is_asked_too_often_is_left_alone_as_long_as_it_says() {
    let (opened, object) = with_key().await;
    let busy = Fault::Answer(refusal(429, "Throttled").with("retry-after", "3"));
    opened.stand_in.faults().add("/sign", 1, busy);
    let began = tokio::time::Instant::now();

    sign(&opened, &object).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(3));
    opened.stand_in.faults().always("/sign", Fault::Answer(refusal(429, "Throttled")));
    assert_eq!(sign(&opened, &object).await.unwrap_err().kind, FailureKind::Throttled);
    opened.stand_in.faults().clear();
    sign(&opened, &object).await.unwrap();
}

#[tokio::test]
async fn a_mishap_of_the_vault_is_tried_again() {
    let (opened, object) = with_key().await;
    for fault in [Fault::Answer(refusal(503, "ServiceUnavailable")), Fault::Cut] {
        opened.stand_in.faults().add("/sign", 2, fault);
        sign(&opened, &object).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_fails_and_fails_is_unavailable_and_is_left_alone() {
    let (opened, object) = with_key().await;
    let down = refusal(503, "ServiceUnavailable");

    outage::is_left_alone((&opened.stand_in, "/sign", down), (&*opened.azure, &object)).await;
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_by_the_deadline() {
    let (opened, object) = with_key().await;
    opened.stand_in.faults().add("/sign", 1, Fault::HangAfter);
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_millis(300);

    let refused = opened.azure.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    sign(&opened, &object).await.unwrap();
}

#[tokio::test]
async fn a_lie_is_never_a_signature() {
    let (opened, object) = with_key().await;
    let lies: [fn(&mut Value); 5] = [
        |answer| answer["kid"] = json!("https://other/keys/a/b"),
        |answer| answer["kid"] = json!(null),
        |answer| answer["value"] = json!("AAAA"),
        |answer| answer["value"] = json!("no base64!"),
        |answer| *answer = json!("garbage"),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        opened.stand_in.faults().add("/sign", 1, Fault::Lie(lie));
        assert_eq!(sign(&opened, &object).await.unwrap_err().kind, FailureKind::Internal, "{number}");
    }
}

#[tokio::test]
async fn a_lie_about_a_key_is_believed_by_nobody() {
    let (opened, object) = with_key().await;
    let request = Generate { key_id: object.key_id, ..request(KeyType::EcP256) };
    let lies: [fn(&mut Value); 4] = [
        |answer| answer["key"]["kid"] = json!("https://other.vault.azure.net/keys/a/b"),
        |answer| answer["key"]["kid"] = renamed(&answer["key"]["kid"]),
        |answer| answer["key"]["kid"] = json!(null),
        |answer| *answer = json!("garbage"),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        opened.stand_in.faults().always("GET /keys/", Fault::Lie(lie));
        let told = [
            opened.azure.generate(request.clone(), soon()).await.unwrap_err(),
            opened.azure.find(&object.tenant, object.key_id, soon()).await.unwrap_err(),
            opened.azure.locate(object.native_id.as_str(), soon()).await.unwrap_err(),
            opened.azure.public_key(&object, soon()).await.unwrap_err(),
            opened.azure.state(&object, soon()).await.unwrap_err(),
            opened.azure.restore(&object, soon()).await.unwrap_err(),
        ];
        opened.stand_in.faults().clear();

        assert!(told.iter().all(|failure| failure.kind == FailureKind::Internal), "{number} {told:?}");
    }
    assert_eq!(opened.stand_in.versions(), [1]);
}

#[tokio::test]
async fn another_version_is_not_taken_for_the_one_that_was_asked_for() {
    let (opened, object) = with_key().await;
    let another: fn(&mut Value) = |answer| {
        let kid = answer["key"]["kid"].as_str().unwrap();
        answer["key"]["kid"] = format!("{}/{}", kid.rsplit_once('/').unwrap().0, "0".repeat(32)).into();
    };
    opened.stand_in.faults().add("GET /keys/", 1, Fault::Lie(another));

    let refused = opened.azure.public_key(&object, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Internal);
    assert!(refused.message.contains("another key answered"), "{refused}");
}

#[tokio::test]
async fn a_list_of_another_keys_versions_or_with_its_rest_elsewhere_is_no_list() {
    let (opened, object) = with_key().await;
    type Lie = fn(&mut Value);
    let lies: [(Lie, &str); 2] = [
        (|answer| answer["value"][0]["kid"] = renamed(&answer["value"][0]["kid"]), "another key answered"),
        // Where nobody is: whoever asked there would hear nothing.
        (|answer| answer["nextLink"] = json!("http://127.0.0.9:1/keys/a/versions"), "is elsewhere"),
    ];
    for (lie, part) in lies {
        opened.stand_in.faults().add("/versions", 1, Fault::Lie(lie));

        let refused = opened.azure.find(&object.tenant, object.key_id, soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Internal, "{refused}");
        assert!(refused.message.contains(part), "{refused}");
    }
}

#[tokio::test]
async fn a_key_that_was_made_under_a_lie_is_no_key_and_is_found_and_deleted() {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let lie: fn(&mut Value) = |answer| answer["key"]["kid"] = renamed(&answer["key"]["kid"]);
    opened.stand_in.faults().add("/create", 1, Fault::Lie(lie));

    let refused = opened.azure.generate(request.clone(), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Internal, "{refused}");
    let found = opened.azure.find(&request.tenant, request.key_id, soon()).await.unwrap().unwrap();
    opened.azure.destroy(&object(&request, &found), soon()).await.unwrap();
    assert!(opened.stand_in.versions().is_empty());
}

/// The identifier of another key, whose name begins with that of the one which was asked for.
fn renamed(kid: &Value) -> Value {
    let (name, version) = kid.as_str().unwrap().rsplit_once('/').unwrap();

    format!("{name}0/{version}").into()
}

#[tokio::test]
async fn a_page_of_something_on_the_way_deletes_no_key_and_finds_none() {
    let (opened, object) = with_key().await;
    let page = Fault::Answer(Answer::of(404, "<html>Not found"));
    opened.stand_in.faults().add("/keys/", 2, page);

    let refused = opened.azure.find(&object.tenant, object.key_id, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Internal);
    assert_eq!(opened.azure.destroy(&object, soon()).await.unwrap_err().kind, FailureKind::Internal);
    assert_eq!(opened.stand_in.versions(), [1]);
}

#[tokio::test]
async fn a_thousand_signatures_at_once_are_made() {
    let (opened, object) = with_key().await;
    let made = futures_util::future::join_all((0..1000).map(|_| sign(&opened, &object))).await;

    let failed: Vec<_> = made.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} {:?}", failed.len(), failed.first());
}

#[tokio::test]
async fn a_refusal_that_repeats_a_credential_is_told_without_it() {
    let (opened, object) = with_key().await;
    for echo in [
        |asked: &Asked| said(403, "Forbidden", asked.header("authorization")),
        |asked: &Asked| Answer::of(502, asked.header("authorization")),
    ] {
        opened.stand_in.faults().always("/sign", Fault::Echo(echo));
        let failure = sign(&opened, &object).await.unwrap_err();
        assert!(!failure.message.contains("eyJ0"), "{failure}");
        opened.stand_in.faults().clear();
    }

    // The application's secret, in the words and in the word for the error.
    opened.stand_in.revoke();
    let echo = |asked: &Asked| {
        let secret = asked.form("client_secret");
        Answer::json(401, &json!({ "error": secret, "error_description": format!("AADSTS{secret}") }))
    };
    opened.stand_in.faults().always("/token", Fault::Echo(echo));
    write(&opened.folder.path().join("secret"), "s3cr3t-enough");
    let again = opened.again();
    let failure = again.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert!(!failure.message.contains("s3cr3t"), "{failure}");
}
