//! Logins that are not taken, or not yet: what is said of each, and whether it is the login or who gives out the tokens.

use std::sync::Arc;

use keyport_backends::azure::{Azure, Login, Proof};
use keyport_core::backend::Backend;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::azure::StandIn;
use keyport_stand_ins::{Answer, Fault};
use serde_json::json;

use crate::clock::Ahead;
use crate::opened::{Opened, application, connection};
use crate::suite::soon;

/// What a new gateway says whose every question for a token is answered so.
async fn said(answer: Answer) -> Failure {
    let opened = Opened::new();
    opened.stand_in.faults().always("/token", Fault::Answer(answer));

    opened.azure.health(soon()).await.unwrap_err()
}

fn refusal(status: u16, word: &str, number: &str) -> Answer {
    let description = format!("{number}: So it is.\r\nTrace ID: 0000 Timestamp: 2026-01-01 00:00:00Z");

    Answer::json(status, &json!({ "error": word, "error_description": description }))
}

#[tokio::test]
async fn what_entra_says_of_a_login_is_the_operators_matter_and_has_a_mend() {
    for (status, word, number, mend) in [
        (400, "unauthorized_client", "AADSTS700016", "`tenant` has no application `client`"),
        (400, "invalid_request", "AADSTS90002", "`tenant` is no directory"),
        (400, "invalid_request", "AADSTS900023", "`tenant` is no directory"),
        (400, "invalid_resource", "AADSTS500011", "does not know `resource`"),
        (401, "invalid_client", "AADSTS7000215", "write its value, and not its id"),
        (401, "invalid_client", "AADSTS7000222", "the secret has expired"),
        (401, "invalid_client", "AADSTS700024", "mend this machine's clock"),
        (401, "invalid_client", "AADSTS700027", "upload it in its registration"),
        (401, "invalid_client", "AADSTS70021", "issuer, subject and audience"),
        (401, "invalid_client", "AADSTS700211", "issuer, subject and audience"),
        (401, "invalid_client", "AADSTS700212", "issuer, subject and audience"),
        (401, "invalid_client", "AADSTS700213", "issuer, subject and audience"),
        (401, "unauthorized_client", "AADSTS7000112", "is disabled"),
        (403, "access_denied", "AADSTS53003", "conditional access"),
        // What nobody here has heard of yet.
        (400, "invalid_grant", "AADSTS123456789", "wrong, expired or revoked"),
    ] {
        let Failure { kind, code, message, .. } = said(refusal(status, word, number)).await;

        assert_eq!((kind, code), (FailureKind::Credentials, 401), "{message}");
        assert!([word, number, mend].iter().all(|part| message.contains(part)), "{message}");
        assert!(!message.contains("Trace ID"), "{message}");
    }
}

#[tokio::test]
async fn what_entra_says_of_itself_passes() {
    for (status, word, number) in [
        (400, "temporarily_unavailable", "AADSTS90033"),
        (400, "server_error", "AADSTS90024"),
        (408, "", ""),
        (429, "too_many_requests", "AADSTS90055"),
        (500, "server_error", "AADSTS90006"),
        (503, "temporarily_unavailable", "AADSTS90033"),
    ] {
        let Failure { kind, message, .. } = said(refusal(status, word, number)).await;

        assert_eq!(kind, FailureKind::Unavailable, "{message}");
        assert!(message.contains(word) && message.contains(number), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn entra_is_left_alone_as_long_as_it_says() {
    let opened = Opened::new();
    let busy = refusal(429, "too_many_requests", "AADSTS90055").with("retry-after", "7");
    opened.stand_in.faults().add("/token", 1, Fault::Answer(busy));
    let began = tokio::time::Instant::now();

    opened.azure.health(soon()).await.unwrap();

    assert!(began.elapsed().as_secs() >= 7, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_machine_without_an_identity_has_no_credentials_and_one_whose_service_is_updated_waits() {
    for (status, kind, part) in [
        (400, FailureKind::Credentials, "assign it one, or mend `client`"),
        (403, FailureKind::Credentials, "assign it one, or mend `client`"),
        (404, FailureKind::Unavailable, "if that lasts, this machine has no such identity"),
        (410, FailureKind::Unavailable, "if that lasts, this machine has no such identity"),
        (429, FailureKind::Unavailable, "status 429"),
        (503, FailureKind::Unavailable, "status 503"),
    ] {
        let machine = StandIn::start();
        let answer = json!({ "error": "invalid_request", "error_description": "Identity not found" });
        machine.faults().always("/metadata", Fault::Answer(Answer::json(status, &answer)));
        let login = Login::Managed { client: None, metadata: machine.url() };
        let azure = Azure::open(connection(&machine.url(), login), Arc::new(Ahead::default())).unwrap();

        let refused = azure.health(soon()).await.unwrap_err();
        assert_eq!(refused.kind, kind, "{refused}");
        assert!(refused.message.contains(part), "{refused}");
        assert!(refused.message.contains(" gave no access token"), "{refused}");
        assert!(refused.message.starts_with("the metadata service 127.0.0.1:"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_none() {
    for answer in ["", "null", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb","expires_in":9}"#] {
        let refused = said(Answer::of(200, answer)).await;

        assert_eq!(refused.kind, FailureKind::Credentials, "{answer}");
        assert!(refused.message.contains("holds no access token"), "{refused}");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_named_and_nobody_asked() {
    let opened = Opened::new();
    let secret = opened.folder.path().join("secret");
    std::fs::remove_file(&secret).unwrap();
    let token = opened.folder.path().join("token");
    let url = opened.stand_in.url();
    let federated = connection(&url, application(&url, Proof::Federated(token.clone())));
    let federated = Azure::open(federated, Arc::new(Ahead::default())).unwrap();

    for (azure, file) in [(&*opened.azure, secret), (&federated, token)] {
        let refused = azure.health(soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
        assert!(refused.message.starts_with(&*file.to_string_lossy()), "{refused}");
    }
    assert!(opened.stand_in.heard().is_empty());
}
