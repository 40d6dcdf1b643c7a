//! What keys are called, tagged and deleted as, and which ones an operator can name; and logins.

use std::sync::Arc;
use std::time::Duration;

use keyport_backends::azure::{Azure, Connection, Login, OpenError, Proof};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_core::custody::Mechanism;
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::azure::StandIn;
use keyport_stand_ins::{Answer, Fault};
use serde_json::json;

use crate::clock::Ahead;
use crate::opened::{Opened, application, connection, write};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_key_is_named_by_its_key_id_and_tagged_for_people() {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();

    let name = format!("keyport-{}", request.key_id);
    let keys = opened.stand_in.keys.lock().unwrap();
    let key = &keys[&name][0];
    assert_eq!(made.native_id.as_str(), format!("{}/keys/{name}/{}", opened.stand_in.url(), key.version));
    assert_eq!(key.described["kty"], "EC");
    assert_eq!(
        key.described["tags"],
        serde_json::json!({
            "keyport-gateway": "keyport",
            "keyport-key-id": request.key_id.to_string(),
            "tenant": "conformance",
        })
    );
}

#[tokio::test]
async fn a_key_whose_native_id_was_never_recorded_signs_and_is_deleted() {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();
    let unrecorded = object(&request, &NativeId::new(request.key_id.to_string()));

    assert_eq!(opened.azure.public_key(&unrecorded, soon()).await.unwrap(), made.public);
    opened.azure.sign(&unrecorded, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    opened.azure.destroy(&unrecorded, soon()).await.unwrap();
    assert!(opened.stand_in.versions().is_empty());
}

#[tokio::test]
async fn a_key_that_was_deleted_is_not_made_again() {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();
    opened.azure.destroy(&object(&request, &made.native_id), soon()).await.unwrap();

    let refused = opened.azure.generate(request, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::KeyGone, "{refused}");
    assert!(refused.message.contains("restore it, or purge it"), "{refused}");
}

#[tokio::test]
async fn a_key_that_is_there_already_is_taken_over_by_its_identifier() {
    let opened = Opened::with(|connection| connection.prefix = "other".to_owned());
    let made = opened.azure.generate(request(KeyType::Rsa2048), soon()).await.unwrap();
    let version = made.native_id.as_str();
    let (key, _) = version.rsplit_once('/').unwrap();

    for reference in [version, key] {
        let located = opened.azure.locate(reference, soon()).await.unwrap();
        assert_eq!((located.native_id.as_str(), &located.public), (version, &made.public));
    }
    for other in ["keys/a", "https://other.vault.azure.net/keys/a/b", &format!("{version}/sign")] {
        let refused = opened.azure.locate(other, soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::InvalidArgument, "{other}");
    }
    for key in opened.stand_in.keys.lock().unwrap().values_mut().flatten() {
        key.enabled = false;
    }
    assert_eq!(opened.azure.locate(version, soon()).await.unwrap_err().kind, FailureKind::KeyGone);
}

#[tokio::test]
async fn a_key_that_was_made_for_another_or_by_somebody_else_is_not_deleted() {
    let opened = Opened::new();
    let other = opened.again_with(|connection| connection.prefix = "other".to_owned());
    let request = request(KeyType::EcP256);
    let somebodys = other.generate(request.clone(), soon()).await.unwrap();
    let anothers = opened.azure.generate(crate::suite::request(KeyType::EcP256), soon()).await.unwrap();

    for foreign in [somebodys, anothers] {
        let refused = opened.azure.destroy(&object(&request, &foreign.native_id), soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Denied);
        assert!(refused.message.contains("was not made for this key"), "{refused}");
    }
    assert_eq!(opened.stand_in.versions(), [1, 1]);
}

#[tokio::test]
async fn a_disabled_key_is_gone_for_signing() {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();
    for key in opened.stand_in.keys.lock().unwrap().values_mut().flatten() {
        key.enabled = false;
    }

    let object = object(&request, &made.native_id);
    let refused = opened.azure.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert_eq!(
        (refused.kind, opened.azure.code_name(refused.code)),
        (FailureKind::KeyGone, Some("Forbidden"))
    );
}

#[tokio::test]
async fn a_federated_token_and_a_machines_identity_are_taken() {
    let stand_in = StandIn::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "f3derated\n").unwrap();
    let machine = Login::Managed { client: None, metadata: stand_in.url() };

    for login in [application(&stand_in.url(), Proof::Federated(file)), machine] {
        let azure = Azure::open(connection(&stand_in.url(), login), Arc::new(Ahead::default())).unwrap();
        azure.health(soon()).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_gives_out_tokens_and_cannot_be_reached_is_named_with_the_mend() {
    let (stand_in, token) = (StandIn::start(), tempfile::NamedTempFile::new().unwrap());
    let machine = Login::Managed { client: None, metadata: "http://metadata.invalid".to_owned() };
    let application = application("https://entra.invalid", Proof::Federated(token.path().to_owned()));

    for (login, begin, end) in [
        (
            machine,
            "the metadata service metadata.invalid gave no",
            "off Azure's machines, use another `login.method`",
        ),
        (application, "Entra at entra.invalid gave no access token: no answer", ""),
    ] {
        let azure = Azure::open(connection(&stand_in.url(), login), Arc::new(Ahead::default())).unwrap();
        let lost = azure.health(soon()).await.unwrap_err();
        assert_eq!(lost.kind, FailureKind::Unavailable);
        assert!(lost.message.starts_with(begin) && lost.message.ends_with(end), "{lost}");
    }
}

#[tokio::test]
async fn a_metadata_service_that_is_not_azures_points_to_another_login() {
    let stand_in = StandIn::start();
    stand_in.faults().add("/metadata/", 1, Fault::Answer(Answer::of(403, "")));
    let machine = Login::Managed { client: None, metadata: stand_in.url() };
    let azure = Azure::open(connection(&stand_in.url(), machine), Arc::new(Ahead::default())).unwrap();

    let refused = azure.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials);
    assert!(refused.message.contains("(status 403): "), "{refused}");
    assert!(refused.message.ends_with("use another `login.method`"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_wrong_is_said_to_be_and_shows_no_secret() {
    let opened = Opened::new();
    write(&opened.folder.path().join("secret"), "wr0ng");

    let refused = opened.azure.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials);
    assert!(refused.message.contains("AADSTS7000215"), "{refused}");
    assert!(!refused.message.contains("s3cr3t") && !refused.message.contains("wr0ng"), "{refused}");

    // The file is read anew for every token, and the next one is not asked for at once.
    write(&opened.folder.path().join("secret"), "s3cr3t");
    assert_eq!(opened.azure.health(soon()).await.unwrap_err().message, refused.message);
    tokio::time::advance(Duration::from_secs(1)).await;
    opened.azure.health(soon()).await.unwrap();
    assert!(!format!("{:?}", opened.azure).contains("s3cr3t"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_revoked_is_exchanged() {
    let opened = Opened::new();
    opened.azure.health(soon()).await.unwrap();
    tokio::time::advance(Duration::from_millis(150)).await;
    opened.stand_in.revoke();

    opened.azure.health(soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_takes_no_token_is_not_shown_a_new_one_for_each_call() {
    let opened = Opened::new();
    opened.azure.health(soon()).await.unwrap();
    let refusal = json!({ "error": { "code": "Unauthorized", "message": "AKV10022: Invalid audience." } });
    opened.stand_in.faults().always("/keys/", Fault::Answer(Answer::json(401, &refusal)));
    let fetched = || opened.stand_in.heard().iter().filter(|call| call.ends_with("/token")).count();
    let before = fetched();

    for _ in 0..100 {
        tokio::time::advance(Duration::from_millis(150)).await;
        let refused = opened.azure.health(soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
    }
    assert!((1..=6).contains(&(fetched() - before)), "{}", fetched() - before);

    opened.stand_in.faults().clear();
    tokio::time::advance(Duration::from_secs(60)).await;
    opened.azure.health(soon()).await.unwrap();
    // Nothing of it is remembered.
    tokio::time::advance(Duration::from_millis(150)).await;
    opened.stand_in.revoke();
    opened.azure.health(soon()).await.unwrap();
}

#[tokio::test]
async fn many_calls_fetch_one_token() {
    let opened = Opened::new();
    let calls = (0..100).map(|_| opened.azure.health(soon()));

    let failed = futures_util::future::join_all(calls).await.into_iter().filter_map(Result::err).count();
    assert_eq!(failed, 0);
    let fetched = opened.stand_in.heard().iter().filter(|call| call.ends_with("/token")).count();
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn who_may_not_sign_is_not_well() {
    let opened = Opened::new();
    *opened.stand_in.forbids.lock().unwrap() = true;

    assert_eq!(opened.azure.health(soon()).await.unwrap_err().kind, FailureKind::Denied);
}

#[tokio::test]
async fn a_mistake_is_named_with_its_mend() {
    let login = || Login::Managed { client: None, metadata: "http://169.254.169.254".to_owned() };
    let refusal = |change: fn(&mut Connection)| {
        let mut described = connection("https://acme.vault.azure.net", login());
        change(&mut described);
        Azure::open(described, Arc::new(Ahead::default())).unwrap_err()
    };

    assert!(matches!(refusal(|it| it.vault = "http://acme.vault.azure.net".into()), OpenError::Vault));
    assert!(matches!(refusal(|it| it.vault = "https://acme.vault.azure.net/keys".into()), OpenError::Vault));
    assert!(matches!(refusal(|it| it.prefix = "a_b".into()), OpenError::Prefix(_)));
    assert!(matches!(
        refusal(|it| it.tags = vec![("keyport-a".into(), "a".parse().unwrap())]),
        OpenError::Tags
    ));
    let missing = |it: &mut Connection| {
        it.login = application("https://login.microsoftonline.com", Proof::Secret("/no/such/secret".into()));
    };
    assert!(matches!(refusal(missing), OpenError::Secret(_)));
    let metadata = |it: &mut Connection| {
        it.login = Login::Managed { client: None, metadata: "localhost:80".to_owned() };
    };
    assert_eq!(
        refusal(metadata).to_string(),
        "`metadata`: `localhost:80` is no URL: write http://169.254.169.254"
    );
}
