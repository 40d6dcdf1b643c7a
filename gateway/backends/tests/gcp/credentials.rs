//! Who the gateway is, in each way that Google has for it, and what becomes of credentials that are refused, revoked or late.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyport_backends::gcp::{Credentials, Gcp};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_stand_ins::gcp::SUBJECT;
use keyport_stand_ins::gcp::{StandIn, key_file};
use keyport_stand_ins::{Answer, Fault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::Ahead;
use crate::ring::{Ring, connection, write};
use crate::suite::soon;

/// A gateway with credentials in a file.
struct Filed {
    stand_in: StandIn,
    gcp: Gcp,
    folder: TempDir,
}

impl Filed {
    fn with(credentials: impl FnOnce(&StandIn, &Path) -> Value) -> Self {
        let (stand_in, folder) = (StandIn::start(), tempfile::tempdir().unwrap());
        let file = folder.path().join("credentials.json");
        write(&file, &credentials(&stand_in, folder.path()).to_string());
        let gcp = opened(&stand_in, Credentials::File(file));

        Self { stand_in, gcp, folder }
    }

    async fn refusal(&self) -> keyport_core::Failure {
        self.gcp.health(soon()).await.unwrap_err()
    }
}

fn opened(stand_in: &StandIn, credentials: Credentials) -> Gcp {
    Gcp::open(connection(&stand_in.url(), credentials), Arc::new(Ahead::default())).unwrap()
}

fn user(stand_in: &StandIn) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "s3cr3t",
        "refresh_token": "r3fresh",
        "token_uri": format!("{}/token", stand_in.url()),
    })
}

/// The same, after what it shows was revoked.
fn revoked(stand_in: &StandIn) -> Value {
    let mut user = user(stand_in);
    user["refresh_token"] = "revoked".into();

    user
}

fn federated(stand_in: &StandIn, source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/pool",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", stand_in.url()),
        "credential_source": source,
    })
}

#[tokio::test]
async fn a_service_account_signs_for_itself_and_asks_nobody() {
    let ring = Ring::new();

    ring.gcp.health(soon()).await.unwrap();
    assert_eq!(ring.stand_in.heard().len(), 1);
}

#[tokio::test]
async fn a_persons_refresh_token_a_federated_token_and_a_machines_account_are_taken() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    person.gcp.health(soon()).await.unwrap();

    let by_file = Filed::with(|stand_in, folder| {
        std::fs::write(folder.join("subject"), format!("{SUBJECT}\n")).unwrap();
        federated(stand_in, &json!({ "file": folder.join("subject") }))
    });
    by_file.gcp.health(soon()).await.unwrap();

    let by_url = Filed::with(|stand_in, _| {
        let format = json!({ "type": "json", "subject_token_field_name": "value" });
        let url = format!("{}/subject", stand_in.url());
        federated(stand_in, &json!({ "url": url, "headers": { "metadata": "true" }, "format": format }))
    });
    by_url.gcp.health(soon()).await.unwrap();

    let stand_in = StandIn::start();
    let machine = opened(&stand_in, Credentials::Metadata(stand_in.address.to_string()));
    machine.health(soon()).await.unwrap();
    machine.health(soon()).await.unwrap();
    assert_eq!(stand_in.heard().len(), 3, "{:?}", stand_in.heard());
}

#[tokio::test]
async fn by_default_they_are_in_a_file_or_where_gcloud_writes_or_told_by_the_metadata_server() {
    let (stand_in, folder) = (StandIn::start(), tempfile::tempdir().unwrap());
    let here = Some(folder.path().to_owned());
    let by_default = |file: Option<&str>| {
        let metadata = Some(stand_in.address.to_string());
        let file = file.map(|name| folder.path().join(name));
        opened(&stand_in, Credentials::Default { file, folder: here.clone(), metadata })
    };
    by_default(None).health(soon()).await.unwrap();
    assert!(stand_in.heard()[0].starts_with("GET /computeMetadata"), "{:?}", stand_in.heard());

    write(&folder.path().join("application_default_credentials.json"), &user(&stand_in).to_string());
    by_default(None).health(soon()).await.unwrap();
    assert_eq!(stand_in.count("POST /token"), 1);

    write(&folder.path().join("key.json"), &key_file().to_string());
    by_default(Some("key.json")).health(soon()).await.unwrap();
    assert_eq!(stand_in.count("POST /token"), 1);
}

#[tokio::test]
async fn whoever_may_be_a_service_account_is_it() {
    let federated_as = Filed::with(|stand_in, folder| {
        std::fs::write(folder.join("subject"), SUBJECT).unwrap();
        let mut federated = federated(stand_in, &json!({ "file": folder.join("subject") }));
        federated["service_account_impersonation_url"] =
            format!("{}/impersonate:generateAccessToken", stand_in.url()).into();
        federated
    });
    federated_as.gcp.health(soon()).await.unwrap();

    let person_as = Filed::with(|stand_in, _| {
        json!({
            "type": "impersonated_service_account",
            "service_account_impersonation_url": format!("{}/impersonate:generateAccessToken", stand_in.url()),
            "delegates": [],
            "source_credentials": user(stand_in),
        })
    });
    person_as.gcp.health(soon()).await.unwrap();
}

#[tokio::test]
async fn credentials_that_are_wrong_or_revoked_are_said_to_be_and_not_that_google_is_down() {
    let person = Filed::with(|stand_in, _| revoked(stand_in));
    let refused = person.refusal().await;
    assert_eq!((refused.kind, refused.code), (FailureKind::Credentials, 16));
    assert!(refused.message.contains("invalid_grant"), "{refused}");
    assert!(!refused.message.contains("s3cr3t"), "{refused}");

    let workload = Filed::with(|stand_in, _| federated(stand_in, &json!({ "file": "/no/such/token" })));
    let refused = workload.refusal().await;
    assert_eq!(refused.kind, FailureKind::Credentials);
    assert!(refused.message.starts_with("/no/such/token"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_identity_service_that_fails_is_unavailable() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    for fault in [
        Fault::Answer(Answer::of(503, "")),
        Fault::Answer(Answer::json(429, &json!({ "error": "rate_limited" }))),
    ] {
        person.stand_in.faults().add("/token", 4, fault);
        assert_eq!(person.refusal().await.kind, FailureKind::Unavailable);
    }

    person.stand_in.faults().clear();
    tokio::time::advance(Duration::from_secs(1)).await;
    person.gcp.health(soon()).await.unwrap();
}

#[tokio::test]
async fn whoever_gives_out_tokens_and_cannot_be_reached_is_named_with_the_mend() {
    let stand_in = StandIn::start();
    let machine = opened(&stand_in, Credentials::Metadata("metadata.invalid".to_owned()));
    let lost = machine.health(soon()).await.unwrap_err();
    assert_eq!(lost.kind, FailureKind::Unavailable);
    assert!(
        lost.message.starts_with("the metadata server metadata.invalid gave no access token: no answer"),
        "{lost}"
    );
    assert!(lost.message.ends_with("write [connection.credentials] with file = \"key.json\""), "{lost}");

    let person = Filed::with(|stand_in, _| {
        let mut user = user(stand_in);
        user["token_uri"] = "https://tokens.invalid/token".into();
        user
    });
    let lost = person.refusal().await;
    assert!(
        lost.message.starts_with("Google's token endpoint tokens.invalid gave no access token: no answer"),
        "{lost}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_metadata_server_that_is_silent_is_named_before_the_caller_gives_up() {
    let stand_in = StandIn::start();
    stand_in.faults().always("/token", Fault::HangBefore);
    let machine = opened(&stand_in, Credentials::Metadata(stand_in.address.to_string()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);

    let silent = machine.health(deadline.into_std()).await.unwrap_err();
    assert_eq!(silent.kind, FailureKind::Unavailable);
    assert!(silent.message.contains("gave no access token: no answer in 4 s"), "{silent}");
}

#[tokio::test]
async fn a_machine_without_an_account_has_no_credentials() {
    let stand_in = StandIn::start();
    stand_in.faults().add("/token", 1, Fault::Answer(Answer::of(404, "not found")));
    let machine = opened(&stand_in, Credentials::Metadata(stand_in.address.to_string()));

    let refused = machine.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials);
    assert!(
        refused.message.contains("(status 404") && refused.message.contains("off Google's machines"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_is_gone_is_named_and_nobody_asked() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    let file = person.folder.path().join("credentials.json");
    std::fs::remove_file(&file).unwrap();

    let refused = person.refusal().await;
    assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
    assert!(refused.message.starts_with(&*file.to_string_lossy()), "{refused}");
    assert!(person.stand_in.heard().is_empty());
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named() {
    let ring = Ring::new();
    *ring.ahead.lock().unwrap() = Duration::from_secs(600);

    let refused = ring.gcp.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials);
    assert!(refused.message.contains("mend the clock"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_revoked_is_exchanged_and_the_signature_is_made() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    person.gcp.health(soon()).await.unwrap();
    tokio::time::advance(Duration::from_millis(150)).await;
    person.stand_in.access.revoke();

    person.gcp.health(soon()).await.unwrap();
}

#[tokio::test]
async fn many_calls_fetch_one_token() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    let calls = (0..100).map(|_| person.gcp.health(soon()));

    let failed = futures_util::future::join_all(calls).await.into_iter().filter_map(Result::err).count();
    assert_eq!(failed, 0);
    let fetched = person.stand_in.heard().iter().filter(|call| *call == "POST /token").count();
    assert_eq!(fetched, 1);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_told_to_everybody_and_asked_for_again_ever_later() {
    let person = Filed::with(|stand_in, _| revoked(stand_in));
    let handle = tokio::runtime::Handle::current();
    for (asked, wait) in (1..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        let calls = (0..1000).map(|_| person.refusal());
        let (told, tasks) = tokio::join!(futures_util::future::join_all(calls), async {
            person.stand_in.asked(asked).await;
            handle.metrics().num_alive_tasks()
        });
        assert!(tasks < 20, "{tasks} tasks wait for a token");
        assert!(told.iter().all(|refused| refused.kind == FailureKind::Credentials), "{told:?}");

        tokio::time::advance(Duration::from_secs(wait) - Duration::from_millis(1)).await;
        assert!(person.refusal().await.message.contains("invalid_grant"));
        assert_eq!(person.stand_in.heard().len(), asked);
        tokio::time::advance(Duration::from_millis(1)).await;
    }

    write(&person.folder.path().join("credentials.json"), &user(&person.stand_in).to_string());
    person.gcp.health(soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_taken_still_does_while_the_credentials_are_refused() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    *person.stand_in.access.life.lock().unwrap() = Duration::from_secs(200);
    person.gcp.health(soon()).await.unwrap();
    write(&person.folder.path().join("credentials.json"), &revoked(&person.stand_in).to_string());

    for _ in 0..9 {
        tokio::time::advance(Duration::from_secs(20)).await;
        person.gcp.health(soon()).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(person.refusal().await.kind, FailureKind::Credentials);
}

/// A token that lives 200 seconds is due at once, after the pause that every fetch is followed by.
#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_of_its_end_and_does_until_then_where_that_fails() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    *person.stand_in.access.life.lock().unwrap() = Duration::from_secs(200);
    let fetched = || person.stand_in.heard().iter().filter(|call| *call == "POST /token").count();
    person.gcp.health(soon()).await.unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;

    person.stand_in.faults().add("/token", 1, Fault::Answer(Answer::of(500, "")));
    person.gcp.health(soon()).await.unwrap();
    person.stand_in.asked(4).await;
    person.gcp.health(soon()).await.unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    person.gcp.health(soon()).await.unwrap();
    person.stand_in.asked(7).await;
    assert_eq!(fetched(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_file_that_was_exchanged_is_taken_over() {
    let workload = Filed::with(|stand_in, _| federated(stand_in, &json!({ "file": "/no/such/token" })));
    workload.refusal().await;
    write(&workload.folder.path().join("credentials.json"), &key_file().to_string());
    tokio::time::advance(Duration::from_secs(1)).await;

    workload.gcp.health(soon()).await.unwrap();
}

#[tokio::test]
async fn no_secret_is_ever_printed() {
    let person = Filed::with(|stand_in, _| user(stand_in));
    person.gcp.health(soon()).await.unwrap();
    let printed = format!("{:?}", person.gcp);

    for secret in ["s3cr3t", "r3fresh", "ya29."] {
        assert!(!printed.contains(secret), "{secret}");
    }
}
