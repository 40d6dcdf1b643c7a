//! `keyport keys`: the contract's own client.

use std::fs;

use serde_json::Value;

use crate::dev::token;
use crate::harness::{Ended, Gateway, Hash, keyport, verifies};

#[tokio::test]
async fn keys_can_be_worked_with_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let profile = data.join("profile.toml");
    let url = format!("https://{}", gateway.server.address);
    fs::write(&profile, format!("url = \"{url}\"\nca = \"ca.pem\"\ntoken-file = \"token\"\n")).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"keys", &"--profile", &profile];
        command.extend(arguments.iter().map(|argument| -> &dyn AsRef<std::ffi::OsStr> { argument }));
        keyport(&command).await
    };

    let key = json(&run(&["create", "a/b c", "-o", "json"]).await);
    let listed = json(&run(&["list", "-o", "json"]).await);
    assert_eq!(listed[0], key);
    assert!(said(&run(&["list", "--prefix", "a/"]).await).contains(key["id"].as_str().unwrap()));
    let pem = said(&run(&["export", "a/b c"]).await);
    let digest = Hash::Sha256.base64(b"hello");
    let signature = said(&run(&["sign", "a/b c", "--digest", &digest]).await);
    let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, signature.trim()).unwrap();
    assert!(verifies(pem.trim(), Hash::Sha256, b"hello", &bytes));

    let message = folder.path().join("message");
    for (content, code) in [("hello", 0), ("hullo", 1)] {
        fs::write(&message, content).unwrap();
        let file = message.to_str().unwrap();
        let verify =
            ["verify", "a/b c", "--file", file, "--scheme", "ES256", "--signature", signature.trim()];
        let verified = run(&verify).await;
        assert_eq!(verified.code(), Some(code), "{verified:#?}");
    }
    said(&run(&["release", "a/b c"]).await);
    assert!(said(&run(&["list", "--state", "active"]).await).is_empty());
    assert!(said(&run(&["restore", "a/b c", "--id", key["id"].as_str().unwrap()]).await).contains("active"));
}

#[tokio::test]
async fn what_goes_wrong_is_said_and_no_token_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let url = format!("https://{}", gateway.server.address);
    let (ca, file) = (data.join("ca.pem"), data.join("token"));

    let refused =
        keyport(&[&"keys", &"--url", &url, &"--ca", &ca, &"--token-file", &file, &"export", &"nobody"]).await;
    assert_eq!(refused.code(), Some(1));
    assert!(refused.stderr.contains("no such key"), "{refused:#?}");
    assert!(!refused.said().contains(&token(&data)));

    let nobody = keyport(&[&"keys", &"--url", &url, &"--ca", &ca, &"list"]).await;
    assert!(nobody.stderr.contains("--token-file"), "{nobody:#?}");
    let plain =
        keyport(&[&"keys", &"--url", &"http://127.0.0.1", &"--ca", &ca, &"--token-file", &file, &"list"])
            .await;
    assert!(plain.stderr.contains("https://"), "{plain:#?}");
}

/// What a command said that ended well.
fn said(ended: &Ended) -> String {
    assert_eq!(ended.code(), Some(0), "{ended:#?}");

    ended.stdout.clone()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&said(ended)).unwrap()
}
