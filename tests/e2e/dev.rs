//! `keyport dev`: nothing but a folder, and it signs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Gateway, Hash, Key, eventually, keyport, openssl_accepts, run, tool, verifies};

#[tokio::test]
async fn the_printed_curl_works_as_it_is_printed() {
    if !tool("curl").await || !tool("bash").await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::dev(&folder.path().join("data")).await;
    let commands = eventually("four commands", async || {
        let commands = curls(&gateway.printed());
        (commands.len() == 4).then_some(commands)
    })
    .await;

    let created = answer_of(&commands[0]).await;
    let signed = answer_of(&commands[1]).await;

    assert_eq!(created["fingerprint"], signed["key_fingerprint"]);
    let public = created["public_key"].as_str().unwrap();
    let signature = BASE64_STANDARD.decode(signed["signature"].as_str().unwrap()).unwrap();
    assert!(verifies(public, Hash::Sha256, b"hello", &signature));
    if tool("openssl").await {
        assert!(openssl_accepts(public, Hash::Sha256, b"hello", &signature).await);
    }

    assert_eq!(answer_of(&commands[2]).await["publicJwk"]["kid"], "demo-jws");
    assert!(answer_of(&commands[3]).await["signature"].is_string());
}

#[tokio::test]
async fn the_same_folder_gives_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");

    let gateway = Gateway::dev(&data).await;
    let token = token(&data);
    let key = gateway.webhook(&token).create("kept", "EC-P256").await;
    assert_eq!(gateway.stop().await.code(), Some(0));

    let gateway = Gateway::dev(&data).await;
    assert_eq!(self::token(&data), token);
    let webhook = gateway.webhook(&token);
    assert_eq!(webhook.list().await, std::slice::from_ref(&key));
    webhook.sign(&key, Hash::Sha256, b"after a restart").await;
}

#[tokio::test]
async fn secrets_are_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _gateway = Gateway::dev(&data).await;

    for secret in ["token", "master.key", "server.key", "keyport.db"] {
        let mode = fs::metadata(data.join(secret)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{secret} has mode {mode:o}");
    }
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_changes_nothing_and_says_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let files = ["ca.pem", "keyport.toml", "lock", "master.key", "server.key", "server.pem", "token"];
    let contents = || files.map(|file| fs::read(data.join(file)).unwrap());
    let before = contents();

    let second: [&dyn AsRef<OsStr>; 7] =
        [&"dev", &"--listen", &"127.0.0.2:0", &"--admin", &"127.0.0.1:0", &"--data", &data];
    let refused = keyport(&second).await;

    assert_eq!(refused.code(), Some(1), "{refused:#?}");
    let who = format!("another process is using this data folder, process {}", gateway.pid().as_raw_pid());
    assert!(refused.stderr.contains(&who), "{refused:#?}");
    assert_eq!(contents(), before);
}

#[tokio::test]
async fn a_private_key_is_nowhere_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let webhook = gateway.webhook(&token(&data));
    let keys: [Key; 2] = [webhook.create("ec", "EC-P256").await, webhook.create("rsa", "RSA-2048").await];
    for key in &keys {
        webhook.sign(key, Hash::Sha256, b"m").await;
    }
    gateway.stop().await;

    // The object identifiers that a PKCS#8 structure of these keys begins with (RFC 5208, section 5).
    let ec = hex::decode("020100301306072a8648ce3d020106082a8648ce3d030107").unwrap();
    let rsa = hex::decode("020100300d06092a864886f70d0101010500").unwrap();
    for file in ["keyport.db", "keyport.db-wal"] {
        let content = fs::read(data.join(file)).unwrap_or_default();
        for structure in [&ec, &rsa] {
            let is_there = content.windows(structure.len()).any(|window| window == structure.as_slice());
            assert!(!is_there, "{file} has a private key that is not sealed");
        }
    }
}

/// The token in a data folder of `keyport dev`.
pub(crate) fn token(data: &Path) -> String {
    fs::read_to_string(data.join("token")).unwrap().trim().to_owned()
}

/// The commands in what was printed, each as it is there.
pub(crate) fn curls(printed: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in printed.lines() {
        match commands.last_mut() {
            Some(command) if goes_on => *command = format!("{command}\n{line}"),
            _ if line.trim_start().starts_with("curl ") => commands.push(line.to_owned()),
            _ => continue,
        }
        goes_on = line.ends_with('\\');
    }
    if goes_on {
        commands.pop();
    }
    commands
}

pub(crate) async fn answer_of(curl: &str) -> Value {
    let mut command = Command::new("bash");
    command.args(["-c", curl]);
    let ended = run(command).await;

    assert_eq!(ended.code(), Some(0), "{curl}\n{ended:#?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
}
