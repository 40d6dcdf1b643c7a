//! What an operator may choose is no failure.

use std::fs;

use super::{CONTRACTS, Target, broken, ended, names, report};
use crate::harness::{Authority, Gateway, Plan, Site, digest_of, soft, tenant, token_of};

#[tokio::test]
async fn what_happens_to_a_name_that_is_taken_is_a_choice() {
    for choice in ["conflict", "return"] {
        let site = Site::new(&Plan { webhook: format!("on-duplicate = \"{choice}\""), ..Plan::soft() });
        let gateway = site.start().await;

        let ended = with_token(&site, &gateway, "webhook").run(&[]).await;
        let report = report(&ended);
        assert_eq!(ended.code(), Some(0), "{choice}: {}", broken(&report));
        assert_eq!(names(&report, "advised"), ["create-again-replaces"], "{}", broken(&report));
    }
}

#[tokio::test]
async fn a_server_that_overwrites_keys_and_imports_none_is_one_of_remote_kms() {
    let site = Site::new(&Plan::of([
        soft("soft"),
        tenant("acme", "soft").replace("\"release\"", "\"delete\", \"release\""),
        "[contract.remote-kms]\non-duplicate = \"replace\"\n".to_owned(),
    ]));
    let gateway = site.start().await;

    let ended = with_token(&site, &gateway, "remote-kms").run(&[]).await;
    let report = report(&ended);
    assert_eq!(ended.code(), Some(0), "{}", broken(&report));
    assert_eq!(names(&report, "advised"), ["create-again-conflicts"], "{}", broken(&report));
    let skipped = names(&report, "skipped");
    assert!(skipped.contains(&"import-signs"), "{skipped:?}");
    assert!(skipped.iter().all(|name| name.starts_with("import")), "{skipped:?}");
}

#[tokio::test]
async fn a_caller_may_be_known_by_its_certificate() {
    let clients = Authority::new();
    let token = digest_of(token_of("acme").as_bytes());
    let by_certificate = tenant("acme", "soft")
        .replace(&format!("tokens = [\"sha256:{token}\"]"), "certificates = [\"dns:client.test\"]");
    let tls = "client-ca = \"clients.pem\"".to_owned();
    let site = Site::new(&Plan { tls, ..Plan::of([soft("soft"), by_certificate]) });
    site.write("clients.pem", clients.pem());
    let (certificate, key) = clients.client();
    site.write("client.pem", certificate);
    site.write("client.key", key);
    let gateway = site.start().await;

    let mut command = Target::command_of("webhook", &format!("https://{}/webhook", gateway.server.address));
    command.arg("--ca").arg(site.path("ca.pem"));
    command
        .arg("--client-cert")
        .arg(site.path("client.pem"))
        .arg("--client-key")
        .arg(site.path("client.key"));
    let ended = ended(command).await;
    let report = report(&ended);
    assert_eq!(ended.code(), Some(0), "{}", broken(&report));
    assert!(names(&report, "skipped").contains(&"no-credential-signs"), "{report:#}");
    assert!(names(&report, "passed").len() >= 35, "{report:#}");
}

/// A contract of a gateway, tried by the caller of tenant `acme`.
fn with_token(site: &Site, gateway: &Gateway, contract: &str) -> Target {
    let contract = CONTRACTS.into_iter().find(|known| *known == contract).expect("a contract");
    fs::write(site.path("token"), token_of("acme")).expect("a file");

    Target {
        contract,
        url: format!("https://{}/{contract}", gateway.server.address),
        ca: site.path("ca.pem"),
        token: site.path("token"),
    }
}
