//! Keys in Google Cloud KMS, by a stand-in for it: the example's configuration, and every contract through it.

mod crash;
mod paced;
mod promises;
mod replaced;
mod replicas;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use keyport_stand_ins::gcp::{StandIn, key_file};
use keyport_stand_ins::{Answer, Asked, Fault};
use serde_json::json;
use tokio::process::Command;

use crate::backend::UNHURRIED;
use crate::example::shows_every_setting;
use crate::harness::{Gateway, Hash, KEYPORT, Plan, Site, digest_of, eventually, segments, token_of};

#[tokio::test]
async fn the_example_signs_over_webhook_and_v1_with_keys_of_cloud_kms() {
    let (site, stand_in) = staged();
    let gateway = serve(&site, &stand_in).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));
    let webhook = gateway.webhook(&token_of("program"));
    for (name, key_type, hash) in [
        ("curve", "EC-P256", Hash::Sha256),
        ("wide", "EC-P384", Hash::Sha256),
        ("rsa", "RSA-2048", Hash::Sha512),
    ] {
        let key = webhook.create(name, key_type).await;
        webhook.sign(&key, hash, b"hello").await;
    }

    let v1 = webhook.client.with_base("/v1");
    let message = json!({ "message": "aGVsbG8=", "scheme": "EdDSA" }).to_string();
    v1.post("/keys", json!({ "name": "edwards", "type": "ed25519" }).to_string()).await.expect(201);
    v1.post("/keys/edwards/sign", message).await.expect(200);
    // An RSA key signs by one scheme: another is refused by name, and not tried.
    let other = json!({ "message": "aGVsbG8=", "scheme": "PS256" }).to_string();
    v1.post("/keys/rsa/sign", other).await.expect(422);
    let labels: Vec<_> = stand_in
        .keys
        .lock()
        .unwrap()
        .values()
        .map(|key| key.described["labels"]["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(labels.len(), 4);
    assert!(["curve", "wide", "rsa", "edwards"].iter().all(|name| labels.iter().any(|label| label == name)));

    // What Google asks for is passed on.
    let busy = Fault::Answer(refusal("RESOURCE_EXHAUSTED").with("retry-after", "3600"));
    stand_in.faults().add(":asymmetricSign", 1, busy);
    let refused = webhook.ask_to_sign("curve", Hash::Sha256, b"hello").await;
    assert!(refused.expect(429).header("retry-after").is_some());
}

#[tokio::test]
async fn a_key_that_is_released_is_scheduled_for_destruction_and_one_that_was_registered_is_not() {
    let (site, stand_in) = staged();
    let gateway = serve(&site, &stand_in).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));
    let v1 = gateway.server.client().with_token(&token_of("program")).with_base("/v1");
    v1.post("/keys", json!({ "name": "short-lived", "type": "ec-p256" }).to_string()).await.expect(201);
    stand_in.add(RING, "ca-2024");

    let object = format!("{RING}/cryptoKeys/ca-2024/cryptoKeyVersions/1");
    let register = json!({ "object": object }).to_string();
    v1.post("/keys/ca/register", register).await.expect(201);
    for name in ["short-lived", "ca"] {
        v1.post(&format!("/keys/{name}/release"), "{}").await.expect(204);
    }
    eventually("the key to be destroyed", async || {
        let mut states = stand_in.states();
        states.sort_unstable();
        (states == ["DESTROY_SCHEDULED", "ENABLED"]).then_some(())
    })
    .await;
    let foreign = json!({ "object": object.replace("ca-2024", "other") }).to_string();
    v1.post("/keys/other/register", foreign).await.expect(403);
}

#[tokio::test]
async fn a_token_that_the_service_repeats_is_in_no_answer_no_log_and_no_audit_entry() {
    let (site, stand_in) = staged();
    let gateway = serve(&site, &stand_in).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));
    let webhook = gateway.webhook(&token_of("program"));
    webhook.create("svid", "EC-P256").await;
    let echo = |asked: &Asked| {
        let (status, message) = ("PERMISSION_DENIED", asked.header("authorization"));
        Answer::json(403, &json!({ "error": { "code": 403, "message": message, "status": status } }))
    };
    stand_in.faults().always(":asymmetricSign", Fault::Echo(echo));

    let refused = webhook.ask_to_sign("svid", Hash::Sha256, b"hello").await.expect(503).text();
    let logged = gateway.logged();
    assert!(logged.contains("Google says: Bearer [a credential]"), "{logged}");
    gateway.stop().await;
    let audit: String = segments(&site.path("keyport-data"))
        .into_iter()
        .map(|segment| std::fs::read_to_string(segment).unwrap())
        .collect();
    assert!(audit.contains("PERMISSION_DENIED"), "the refusal is on record: {audit}");
    // As every JWT begins.
    for text in [refused, logged, audit] {
        assert!(!text.contains("eyJ"), "{text}");
    }
}

fn refusal(status: &str) -> Answer {
    Answer::json(429, &json!({ "error": { "code": 429, "message": "Quota exceeded", "status": status } }))
}

#[test]
fn the_example_shows_every_setting() {
    shows_every_setting("gcp-kms", "gcp.txt", &["file"]);
}

/// The example's configuration in a folder of its own, with a service account's key, and a stand-in.
fn staged() -> (Site, StandIn) {
    let site = Site::new(&Plan::soft());
    let text = std::fs::read_to_string(folder().join("keyport.toml")).expect("the example");
    let text = text.replace("grace = \"7d\"", "grace = \"0s\"");
    let text = text.replace("\"release\"", "\"release\", \"delete\", \"restore\"");
    site.write("keyport.toml", text.replace("kind = \"gcp\"\n", &format!("kind = \"gcp\"\n{UNHURRIED}")));
    site.write("key.json", key_file().to_string());
    std::fs::set_permissions(site.path("key.json"), std::fs::Permissions::from_mode(0o600))
        .expect("its mode");

    (site, StandIn::start())
}

async fn serve(site: &Site, stand_in: &StandIn) -> Result<Gateway, crate::harness::Ended> {
    site.run(keyport(site, stand_in, &["serve"])).await
}

/// A command with that configuration.
fn keyport(site: &Site, stand_in: &StandIn, arguments: &[&str]) -> Command {
    let digest = format!("sha256:{}", digest_of(token_of("program").as_bytes()));
    let mut command = Command::new(KEYPORT);
    command.args(arguments).arg("--config").arg(site.path("keyport.toml"));
    command.env("KEYPORT_LISTEN", "127.0.0.1:0").env("KEYPORT_ADMIN", "127.0.0.1:0");
    command.env("KEYPORT_TOKEN_DIGEST", digest).env("GCP_KEY_RING", RING).env("GCP_ENDPOINT", stand_in.url());
    command
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/gcp-kms")
}

const RING: &str = "projects/acme/locations/europe-west3/keyRings/keyport";
