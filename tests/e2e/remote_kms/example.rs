//! The example for EUDIPLO: its files, and what EUDIPLO asks of a gateway that runs on them.

use std::collections::HashMap;
use std::path::PathBuf;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::process::Command;

use super::client::RemoteKms;
use crate::harness::{Gateway, KEYPORT, Plan, Site, run};

#[tokio::test]
async fn the_example_for_eudiplo_serves_what_eudiplo_asks_for() {
    let site = Site::new(&Plan::soft());
    site.write("keyport.toml", example("keyport.toml"));
    let (token, digest) = new_token().await;
    let gateway = serve(&site, &digest).await;

    let kms = eudiplo(&gateway, &token);
    assert_eq!(kms.client.get("/health").await.expect(200).json(), json!({"ok": true, "keyCount": 0}));
    // A key chain with a certificate authority of its own: two keys, two certificates signed by the root.
    let (root, leaf) = (kms.create("4be1f0a2-root", "ES256").await, "4be1f0a2-active");
    kms.create(leaf, "ES256").await;
    for certificate in [b"the root's TBSCertificate", b"the leaf's TBSCertificate"] {
        let answer = kms.ask_to_sign("4be1f0a2-root", "ES256", certificate).await;
        let signature = answer.expect(200).json()["signature"].as_str().unwrap().to_owned();
        assert_eq!(signature.len(), 86, "r and s, not DER");
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(&root));
        assert!(public.verify(certificate, &signature).is_ok());
    }
    // A rotation imports nothing, and deletes the active key.
    kms.delete(leaf).await.expect(204);
    assert_eq!(kms.client.get("/health").await.json(), json!({"ok": true, "keyCount": 1}));
    kms.ask_to_create("another", "RS256").await.expect(403);
}

/// EUDIPLO as the example's `kms.json` sets it up.
fn eudiplo(gateway: &Gateway, token: &str) -> RemoteKms {
    let settings: Value = serde_json::from_str(&example("kms.json")).expect("kms.json");
    let provider = settings["providers"]
        .as_array()
        .and_then(|providers| providers.iter().find(|provider| provider["id"] == settings["defaultProvider"]))
        .expect("the default provider");

    assert_eq!((&provider["type"], &provider["canImport"]), (&json!("http"), &json!(true)));
    assert_eq!(provider["auth"], json!({"type": "bearer", "token": "${KEYPORT_TOKEN}"}));
    let url = provider["baseUrl"].as_str().expect("a URL");
    let base = url.strip_prefix("https://keyport.internal:8443").expect("the gateway's name");
    RemoteKms::new(gateway.server.client().with_token(token).with_base(base))
}

async fn serve(site: &Site, digest: &str) -> Gateway {
    let variables = HashMap::from([
        ("KEYPORT_ADMIN", "127.0.0.1:0"),
        ("KEYPORT_LISTEN", "127.0.0.1:0"),
        ("KEYPORT_TOKEN_DIGEST", digest),
    ]);
    let mut command = Command::new(KEYPORT);
    command.args(["serve", "--config"]).arg(site.path("keyport.toml")).envs(variables);

    site.run(command).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
}

/// A token and its digest, as `keyport token new` prints them.
async fn new_token() -> (String, String) {
    let mut command = Command::new(KEYPORT);
    command.args(["token", "new"]);
    let said = run(command).await.said();
    let word = |wanted: &dyn Fn(&str) -> bool| {
        let mut words = said.split(|letter: char| letter.is_whitespace() || "\"[],".contains(letter));
        words.find(|word| wanted(word)).unwrap_or_else(|| panic!("{said}")).to_owned()
    };

    (word(&|word| word.starts_with("kp_")), word(&|word| word.starts_with("sha256:")))
}

fn point(jwk: &Value) -> Vec<u8> {
    let coordinate = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();

    [vec![4], coordinate("x"), coordinate("y")].concat()
}

fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/eudiplo").join(name);

    std::fs::read_to_string(path).expect("a file of the example")
}
