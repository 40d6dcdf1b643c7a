//! The example for servers of `remote_kms`: both of its files, and the calls of every contract through them.

use std::path::PathBuf;

use serde_json::json;
use tokio::process::Command;

use crate::harness::{Gateway, Hash, KEYPORT, Plan, Site, Webhook, digest_of, entries, run, token_of, tool};

#[tokio::test]
async fn the_example_serves_every_contract_with_keys_of_the_gateway_behind() {
    let site = Site::new(&Plan::soft());
    for name in ["back.toml", "keyport.toml"] {
        site.write(name, example(name));
    }
    site.write("kms-token", token_of("front"));
    super::front::private(&site, "kms-token");
    let back = serve(&site, "back.toml", &[("BACK_LISTEN", ANYWHERE), ("BACK_ADMIN", ANYWHERE)]).await;
    let url = format!("https://{}/remote-kms", back.server.address);
    let listen = [("KEYPORT_LISTEN", ANYWHERE), ("KEYPORT_ADMIN", ANYWHERE)];
    let front = [&listen[..], &[("KMS_URL", url.as_str()), ("KMS_CA", "ca.pem")]].concat();

    let gateway = serve(&site, "keyport.toml", &front).await;
    let webhook = gateway.webhook(&token_of("program"));
    webhook.sign(&webhook.create("x509-CA-A", "EC-P256").await, Hash::Sha256, b"hello").await;
    is_known_by_its_key_id(&site, &webhook).await;
    every_contract_is_called(&site, &gateway).await;
    // The front's credential may do three things at the back.
    let direct = back.server.client().with_token(&token_of("front")).with_base("/remote-kms");
    direct.post("/keys", json!({"kid": "a", "alg": "EdDSA"}).to_string()).await.expect(200);
    let imported = json!({"privateJwk": {"kty": "OKP", "crv": "Ed25519"}}).to_string();
    assert!(matches!(direct.post("/keys/b/import", imported).await.status, 400 | 403));
    assert_eq!(direct.get("/health").await.expect(200).json(), json!({"ok": true, "keyCount": 0}));
    gateway.stop().await;

    // And what is not another gateway is not sent what it cannot sign.
    let gateway = serve(&site, "keyport.toml", &[&front[..], &[("KMS_DIGESTS", "no")]].concat()).await;
    let webhook = gateway.webhook(&token_of("program"));
    webhook.ask_to_sign("x509-CA-A", Hash::Sha256, b"hello").await.expect(400);
    let message = json!({"data": "aGVsbG8="}).to_string();
    webhook.client.with_base("/remote-kms").post("/keys/x509-CA-A/sign", message).await.expect(200);
}

/// The walk of the README, at its end.
async fn is_known_by_its_key_id(site: &Site, webhook: &Webhook) {
    let shown = webhook.client.with_base("/v1").get("/keys/x509-CA-A").await.expect(200).json();
    let entries = entries(&site.path("back-data"));
    let made = entries.iter().find(|entry| entry.is("create", "ok")).unwrap();

    assert_eq!((made.text("caller"), made.text("key")), ("front", shown["id"].as_str().unwrap()));
    assert_eq!(made.text("fingerprint"), shown["fingerprint"]);
}

async fn every_contract_is_called(site: &Site, gateway: &Gateway) {
    for name in ["bash", "curl", "jq", "openssl"] {
        if !tool(name).await {
            return;
        }
    }
    site.write("program-token", token_of("program"));
    let mut command = Command::new(folder().join("../curl/calls.sh"));
    command.arg("a-name").env("KEYPORT_URL", format!("https://{}", gateway.server.address));
    command.env("KEYPORT_CA", site.path("ca.pem")).env("KEYPORT_TOKEN_FILE", site.path("program-token"));

    let called = run(command).await;
    assert_eq!(called.code(), Some(0), "{called:#?}");
    assert_eq!(called.stdout.matches("Verified OK").count(), 2, "{called:#?}");
    assert!(called.stdout.trim_end().ends_with("# done"), "{called:#?}");
}

async fn serve(site: &Site, file: &str, variables: &[(&str, &str)]) -> Gateway {
    let digest = |token: &str| format!("sha256:{}", digest_of(token_of(token).as_bytes()));
    let mut command = Command::new(KEYPORT);
    command.args(["serve", "--config"]).arg(site.path(file)).envs(variables.iter().copied());
    command.env("KMS_TOKEN_DIGEST", digest("front")).env("KEYPORT_TOKEN_DIGEST", digest("program"));

    site.run(command).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
}

fn example(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("a file of the example")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/rest-kms")
}

const ANYWHERE: &str = "127.0.0.1:0";
