//! Keys in Azure Key Vault, by a stand-in for it: the example's configuration, and every contract through it.

mod crash;
mod promises;
mod replicas;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use keyport_stand_ins::azure::StandIn;
use serde_json::json;
use tokio::process::Command;

use crate::backend::UNHURRIED;
use crate::example::shows_every_setting;
use crate::harness::{Ended, Gateway, Hash, KEYPORT, Plan, Site, digest_of, eventually, token_of};

#[tokio::test]
async fn the_example_signs_over_webhook_and_v1_with_keys_of_a_vault() {
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
    let mut what = json!({ "message": "aGVsbG8=", "scheme": "PS256" });
    let signed = v1.post("/keys/rsa/sign", what.to_string()).await.expect(200).json();
    what["signature"] = signed["signature"].clone();
    let verified = v1.post("/keys/rsa/verify", what.to_string()).await.expect(200).json();
    assert_eq!(verified, json!({ "valid": true }));
    assert_eq!(stand_in.versions(), [1, 1, 1]);

    v1.post("/keys/curve/release", "{}").await.expect(204);
    eventually("the key to be deleted", async || (stand_in.versions() == [1, 1]).then_some(())).await;
    assert_eq!(stand_in.deleted.lock().unwrap().len(), 1);
}

#[test]
fn the_example_shows_every_setting() {
    shows_every_setting("azure-key-vault", "azure.txt", &["metadata"]);
}

/// The example's configuration in a folder of its own, with the application's secret, and a stand-in.
fn staged() -> (Site, StandIn) {
    let site = Site::new(&Plan::soft());
    let text = std::fs::read_to_string(folder().join("keyport.toml")).expect("the example");
    let text = text.replace("grace = \"7d\"", "grace = \"0s\"");
    let text = text.replace("\"release\"", "\"release\", \"delete\"");
    site.write("keyport.toml", text.replace("kind = \"azure\"\n", &format!("kind = \"azure\"\n{UNHURRIED}")));
    site.write("azure-secret", "s3cr3t");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(site.path("azure-secret"), private).expect("its mode");

    (site, StandIn::start())
}

async fn serve(site: &Site, stand_in: &StandIn) -> Result<Gateway, Ended> {
    site.run(keyport(site, stand_in, &["serve"])).await
}

/// A command with that configuration.
fn keyport(site: &Site, stand_in: &StandIn, arguments: &[&str]) -> Command {
    let digest = format!("sha256:{}", digest_of(token_of("program").as_bytes()));
    let mut command = Command::new(KEYPORT);
    command.args(arguments).arg("--config").arg(site.path("keyport.toml"));
    command.env("KEYPORT_LISTEN", "127.0.0.1:0").env("KEYPORT_ADMIN", "127.0.0.1:0");
    command.env("KEYPORT_TOKEN_DIGEST", digest).env("AZURE_VAULT", stand_in.url());
    command.env("AZURE_AUTHORITY", stand_in.url());
    command.env("AZURE_TENANT_ID", "directory").env("AZURE_CLIENT_ID", "application");
    command
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/azure-key-vault")
}
