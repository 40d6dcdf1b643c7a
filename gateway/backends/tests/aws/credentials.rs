//! Credentials: where they come from, and how they end.

use std::path::Path;
use std::process::Command;

use keyport_backends::aws::{Role, Source};
use keyport_core::backend::Backend;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, StandIn};
use tempfile::TempDir;

use crate::account::{access_key, opened, opened_with};
use crate::suite::soon;

/// What a gateway hears that asks with these.
async fn refusal(service: &StandIn, credentials: Source) -> Failure {
    let aws = opened_with(service, |connection| connection.credentials = credentials);

    aws.health(soon()).await.unwrap_err()
}

#[tokio::test]
async fn an_access_key_that_is_wrong_is_told_from_one_that_is_unknown() {
    let service = StandIn::start();

    let wrong = refusal(&service, access_key(ACCESS_KEY, "another")).await;
    let unknown = refusal(&service, access_key("AKIAUNKNOWN", SECRET)).await;

    assert!(wrong.kind == FailureKind::Credentials && wrong.message.contains("another secret"), "{wrong}");
    assert!(unknown.kind == FailureKind::Credentials && unknown.message.contains("inactive"), "{unknown}");
    assert_eq!(service.heard().len(), 2, "nobody tries wrong credentials again by itself");
}

#[tokio::test]
async fn clocks_that_differ_are_named() {
    let service = StandIn::start();
    let aws = opened(&service);
    for seconds in [3600, -3600] {
        service.set_clock_ahead(seconds);

        let failure = aws.health(soon()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Credentials);
        assert!(failure.message.contains("set the clock"), "{failure}");
    }

    service.set_clock_ahead(0);
    aws.health(soon()).await.unwrap();
}

#[tokio::test]
async fn an_access_key_that_is_deleted_is_named() {
    let service = StandIn::start();
    let aws = opened(&service);
    aws.health(soon()).await.unwrap();

    service.users().remove(ACCESS_KEY);

    let failure = aws.health(soon()).await.unwrap_err();
    assert!(failure.kind == FailureKind::Credentials && failure.message.contains("deleted"), "{failure}");
}

#[tokio::test]
async fn a_token_that_has_expired_is_named() {
    let service = StandIn::start();
    service.users().lifetime = 0;
    let role = Role { arn: ROLE.to_owned(), external_id: None };
    let aws = opened_with(&service, |connection| connection.role = Some(role));

    let failure = aws.health(soon()).await.unwrap_err();

    assert!(failure.kind == FailureKind::Credentials && failure.message.contains("expired"), "{failure}");
}

#[tokio::test]
async fn a_role_is_assumed_once() {
    let service = StandIn::start();
    let role = Role { arn: ROLE.to_owned(), external_id: Some("external".to_owned()) };
    let aws = opened_with(&service, |connection| connection.role = Some(role));

    for _ in 0..3 {
        aws.health(soon()).await.unwrap();
    }

    assert_eq!(service.heard(), ["AssumeRole", "DescribeKey", "DescribeKey", "DescribeKey"]);
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_named() {
    let service = StandIn::start();
    let role = Role { arn: ROLE.to_owned(), external_id: Some("another".to_owned()) };
    let aws = opened_with(&service, |connection| connection.role = Some(role));

    let failure = aws.health(soon()).await.unwrap_err();

    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains(ROLE) && failure.message.contains("sts:AssumeRole"), "{failure}");
}

#[tokio::test]
async fn a_web_identity_is_read_from_its_file_whenever_it_is_needed() {
    let (service, folder) = (StandIn::start(), TempDir::new().unwrap());
    let token_file = folder.path().join("token");
    let source = || Source::WebIdentity { role_arn: ROLE.to_owned(), token_file: token_file.clone() };
    let missing = refusal(&service, source()).await;
    assert!(
        missing.kind == FailureKind::Credentials && missing.message.contains("cannot be read"),
        "{missing}"
    );

    std::fs::write(&token_file, "bad-token").unwrap();
    let aws = opened_with(&service, |connection| connection.credentials = source());
    let refused = aws.health(soon()).await.unwrap_err();
    assert!(
        refused.kind == FailureKind::Credentials && refused.message.contains("identity provider"),
        "{refused}"
    );

    std::fs::write(&token_file, "good-token\n").unwrap();
    aws.health(soon()).await.unwrap();
}

#[tokio::test]
async fn the_default_chain_finds_what_the_vendors_own_tools_find() {
    let (service, folder) = (StandIn::start(), TempDir::new().unwrap());
    let (file, nowhere) = (folder.path().join("credentials"), folder.path().join("nowhere"));
    let profile = format!("[gateway]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET}\n");
    std::fs::write(&file, profile).unwrap();

    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    assert_eq!(in_a_process_of_its_own(&service, "", &nowhere, &keys).await, "healthy");
    assert_eq!(in_a_process_of_its_own(&service, "", &file, &[("AWS_PROFILE", "gateway")]).await, "healthy");
    // A profile that is named is meant, whatever the environment has.
    let wrong = [("AWS_ACCESS_KEY_ID", "AKIAWRONG"), ("AWS_SECRET_ACCESS_KEY", "wrong")];
    assert_eq!(in_a_process_of_its_own(&service, "gateway", &file, &wrong).await, "healthy");

    let nothing = in_a_process_of_its_own(&service, "", &nowhere, &[]).await;
    assert!(nothing.contains("Credentials") && nothing.contains("there are no AWS credentials"), "{nothing}");
}

/// What the gateway hears that has this environment: variables belong to processes.
async fn in_a_process_of_its_own(
    service: &StandIn,
    profile: &str,
    credentials: &Path,
    variables: &[(&str, &str)],
) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "credentials::a_gateway_with_an_environment", "--ignored", "--nocapture"]);
    child.env_clear().envs(variables.iter().copied());
    child.env("KEYPORT_TEST_URL", service.url()).env("KEYPORT_TEST_PROFILE", profile);
    child.env("AWS_SHARED_CREDENTIALS_FILE", credentials).env("AWS_CONFIG_FILE", "/dev/null");
    child.env("AWS_EC2_METADATA_DISABLED", "true");

    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let heard = text.lines().find_map(|line| line.split_once("heard: ")).map(|(_, heard)| heard.to_owned());
    heard.unwrap_or(text)
}

#[tokio::test]
#[ignore = "runs in a process of its own, for the test before"]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "how it is told, and how it answers")]
async fn a_gateway_with_an_environment() {
    let Ok(url) = std::env::var("KEYPORT_TEST_URL") else { return };
    let mut connection = crate::account::connection(&url);
    connection.credentials = match std::env::var("KEYPORT_TEST_PROFILE").unwrap() {
        none if none.is_empty() => Source::Chain,
        profile => Source::Profile(profile),
    };
    let aws = keyport_backends::aws::Aws::open(connection).unwrap();

    match aws.health(soon()).await {
        Ok(()) => println!("\nheard: healthy"),
        Err(failure) => println!("\nheard: {failure}"),
    }
}

#[tokio::test]
async fn no_secret_is_ever_printed() {
    let service = StandIn::start();
    let aws = opened(&service);
    aws.health(soon()).await.unwrap();

    let printed = format!("{aws:?} {:?}", crate::account::connection(&service.url()));

    assert!(!printed.contains(SECRET), "{printed}");
}

const ROLE: &str = "arn:aws:iam::111122223333:role/keyport";
