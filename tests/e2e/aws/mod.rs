//! Keys in AWS KMS, through the whole gateway and as the example has it: with a stand-in for the service.

#[path = "../../../gateway/backends/tests/localemu/mod.rs"]
mod emulator;
mod localemu;
mod ml_dsa;
mod promises;
mod replicas;
mod state;
mod unrecorded;

use std::fs;
use std::path::PathBuf;

use hyper::Method;
use keyport_stand_ins::Fault;
use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, StandIn};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::backend::UNHURRIED;
use crate::example::shows_every_setting;
use crate::harness::{
    Client, Gateway, Hash, KEYPORT, Plan, Site, digest_of, entries, eventually, token_of, within,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_signs_with_keys_in_the_service_and_deletes_them_there() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    let made =
        v1.post("/keys", json!({ "name": "a", "type": "ec-p256" }).to_string()).await.expect(201).json();
    assert_eq!(stage.service.keys().all()[0].description, "keyport: a of example");

    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("demo", "EC-P384").await;
    webhook.sign(&key, Hash::Sha384, b"hello").await;
    webhook.sign(&key, Hash::Sha256, b"hello").await;
    sign(&v1, &made).await;
    gateway.stop().await;

    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    sign(&v1, &made).await;
    v1.call(Method::DELETE, "/keys/a", "").await.expect(204);
    stage.recorded("destroy").await;
    assert_eq!(stage.service.keys().alive(), 1);

    stage.every_call_is_in_the_policy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_deleted_there_is_restored_and_is_the_key_it_was() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    let made =
        v1.post("/keys", json!({ "name": "a", "type": "ec-p256" }).to_string()).await.expect(201).json();
    let restore = json!({ "id": made["id"] });
    v1.call(Method::DELETE, "/keys/a", "").await.expect(204);
    stage.recorded("destroy").await;
    assert_eq!(stage.service.keys().alive(), 0);
    gateway.stop().await;

    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    let restored = v1.post_when_there("/keys/a/restore", &restore).await.expect(200).json();
    v1.post("/keys/b/restore", restore.to_string()).await.expect(404);
    assert_eq!((&restored["state"], &restored["id"]), (&json!("active"), &made["id"]));
    assert_eq!(restored["public_key"], made["public_key"]);
    assert_eq!(stage.service.keys().alive(), 1);
    sign(&v1, &made).await;
    v1.post("/keys/a/restore", restore.to_string()).await.expect(409);

    let entries = entries(&stage.site.path("keyport-data"));
    let place = |outcome| entries.iter().position(|entry| entry.is("restore", outcome)).unwrap();
    assert!(place("intent") < place("ok"), "the intent precedes what was done");
    assert_eq!(entries[place("ok")].text("detail"), "had been destroyed");

    // The name is another key's by now.
    v1.call(Method::DELETE, "/keys/a", "").await.expect(204);
    v1.post("/keys", json!({ "name": "a", "type": "ec-p256" }).to_string()).await.expect(201);
    v1.post("/keys/a/restore", restore.to_string()).await.expect(409);
    stage.every_call_is_in_the_policy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_restores_a_key_leaves_none_alive() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    let made =
        v1.post("/keys", json!({ "name": "a", "type": "ec-p256" }).to_string()).await.expect(201).json();
    let restore = json!({ "id": made["id"] });
    v1.call(Method::DELETE, "/keys/a", "").await.expect(204);
    stage.recorded("destroy").await;

    // Killed when the service has enabled the key again, and nobody knows.
    stage.service.faults().add("EnableKey", 1, Fault::HangAfter);
    tokio::select! {
        answer = v1.post_when_there("/keys/a/restore", &restore) => panic!("answered: {}", answer.text()),
        () = within("the service to be asked", stage.service.faults().has_hung()) => (),
    }
    gateway.kill().await;
    assert_eq!(stage.service.keys().alive(), 1);

    let gateway = stage.start(SECRET).await;
    eventually("the key to be destroyed again", async || (stage.service.keys().alive() == 0).then_some(()))
        .await;
    let data = stage.site.path("keyport-data");
    assert!(entries(&data).iter().any(|entry| entry.is("restore", "unknown")), "the intent is closed");
    let v1 = client(&gateway);
    eventually("the key to be restored after all", async || {
        (v1.post("/keys/a/restore", restore.to_string()).await.status == 200).then_some(())
    })
    .await;
    sign(&v1, &made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_not_taken_are_the_operators_matter() {
    let stage = Stage::set();
    let gateway = stage.start("another").await;

    let refused = client(&gateway).post("/keys", json!({ "name": "a", "type": "ec-p256" }).to_string()).await;

    assert!(refused.status >= 500 && !refused.text().contains("Signature"), "{}", refused.text());
    assert!(gateway.logged().contains("InvalidSignatureException"), "{}", gateway.logged());
    assert!(!gateway.logged().contains("another\""), "the secret was printed");
}

#[test]
fn the_example_shows_every_setting() {
    let credentials_and_role = ["arn", "environment", "external-id", "profile", "role-arn", "web-identity"];

    shows_every_setting("aws-kms", "aws.txt", &credentials_and_role);
}

/// The example, with the services at the stand-in.
struct Stage {
    service: StandIn,
    site: Site,
}

impl Stage {
    fn set() -> Self {
        let service = StandIn::start();
        let site = site(&service.url());

        Self { service, site }
    }

    /// Has new keys be in doubt for as long as they are by default.
    fn let_keys_settle(&self) {
        let text = fs::read_to_string(self.site.path("keyport.toml")).unwrap();
        assert!(text.contains(UNSETTLED));

        self.site.write("keyport.toml", text.replace(UNSETTLED, ""));
    }

    async fn start(&self, secret: &str) -> Gateway {
        let command = keyport(&self.site, (ACCESS_KEY, secret), &["serve"]);

        let gateway = self.site.run(command).await;
        gateway.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
    }

    /// Waits until something was done, and is on record.
    async fn recorded(&self, operation: &str) {
        let data = self.site.path("keyport-data");
        let is_done = || entries(&data).iter().any(|entry| entry.is(operation, "ok"));

        eventually(operation, async || is_done().then_some(())).await;
    }

    /// Who may do what the policy says may do all that was done.
    fn every_call_is_in_the_policy(&self) {
        let policy: Value = serde_json::from_slice(&fs::read(example("policy.json")).unwrap()).unwrap();
        let policy = policy["Statement"].to_string();
        for call in self.service.heard() {
            // Who one is, everybody may ask.
            let is_allowed =
                ["kms", "tag"].iter().any(|service| policy.contains(&format!("\"{service}:{call}\"")));
            assert!(is_allowed || call == "GetCallerIdentity", "{call}");
        }
    }
}

/// The example's configuration in a folder of its own, with the services at one place.
fn site(url: &str) -> Site {
    let site = Site::new(&Plan::soft());
    let places = format!("endpoint = \"{url}\"\nsts-endpoint = \"{url}\"\ntagging-endpoint = \"{url}\"\n");
    let text = fs::read_to_string(example("keyport.toml")).unwrap();
    let text = text.replace("kind = \"aws\"\n", &format!("kind = \"aws\"\n{UNSETTLED}{UNHURRIED}{places}"));
    site.write(
        "keyport.toml",
        text.replace("\"release\"", "\"release\", \"delete\", \"restore\", \"verify\""),
    );

    site
}

/// A command with that configuration and these credentials.
fn keyport(site: &Site, (id, secret): (&str, &str), arguments: &[&str]) -> Command {
    let mut command = Command::new(KEYPORT);
    command.args(arguments).arg("--config").arg(site.path("keyport.toml"));
    command.env("KEYPORT_LISTEN", "127.0.0.1:0").env("KEYPORT_ADMIN", "127.0.0.1:0");
    command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
    command.env("KEYPORT_TOKEN_DIGEST", format!("sha256:{}", digest_of(token_of("acme").as_bytes())));
    command
}

fn client(gateway: &Gateway) -> Client {
    gateway.server.client().with_token(&token_of("acme")).with_base("/v1")
}

async fn sign(client: &Client, made: &Value) {
    let request = r#"{ "message": "bWVzc2FnZQ==", "scheme": "ES256" }"#;
    let signed = client.post("/keys/a/sign", request).await.expect(200).json();
    let pem = made["public_key"]["pem"].as_str().unwrap();

    assert!(signed["signature"].is_string() && pem.contains("PUBLIC KEY"), "{signed}");
}

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/aws-kms").join(name)
}

/// Nobody waits for the index of tags.
const UNSETTLED: &str = "settling = \"0s\"\n";
