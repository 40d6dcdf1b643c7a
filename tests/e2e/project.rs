//! A provider of one's own, from nothing to a signature.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::process::Command;

use crate::dev::{answer_of, curls};
use crate::harness::{Gateway, Hash, KEYPORT, eventually, keyport, tool, verifies};

#[tokio::test]
async fn a_new_provider_builds_passes_its_own_tests_and_serves_both_contracts() {
    if !tool("curl").await || !tool("bash").await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("my-kms");
    assert_eq!(keyport(&[&"provider", &"new", &project]).await.code(), Some(0));

    must_succeed(Command::new("cargo").args(["test", "--quiet"]).current_dir(&project)).await;
    must_succeed(Command::new(KEYPORT).args(["provider", "build"]).current_dir(&project)).await;
    let inspected = keyport(&[&"provider", &"inspect", &project.join("my-kms.wasm")]).await;
    assert!(inspected.stdout.contains("imports    keyport:provider/http@0.1.0"), "{}", inspected.stdout);
    assert!(!inspected.stdout.contains("wasi"), "{}", inspected.stdout);

    let tested = keyport(&[&"provider", &"test", &project.join("my-kms.wasm")]).await;
    assert!(tested.code() == Some(0) && tested.stdout.contains(" 0 failed"), "{}", tested.stdout);

    let gateway = serve(&project).await;
    let commands = eventually("four commands", async || {
        let commands = curls(&gateway.printed());
        (commands.len() == 4).then_some(commands)
    })
    .await;
    let created = answer_of(&commands[0]).await;
    let signed = answer_of(&commands[1]).await;
    let signature = BASE64_STANDARD.decode(signed["signature"].as_str().unwrap()).unwrap();
    assert!(verifies(created["public_key"].as_str().unwrap(), Hash::Sha256, b"hello", &signature));
    assert_eq!(answer_of(&commands[2]).await["publicJwk"]["kid"], "demo-jws");
    assert!(answer_of(&commands[3]).await["signature"].is_string());
}

#[tokio::test]
async fn what_cannot_be_made_or_built_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let bad = keyport(&[&"provider", &"new", &folder.path().join("My_Kms")]).await;
    assert_eq!(bad.code(), Some(1));
    assert!(bad.stderr.contains("lower-case letters"), "{}", bad.stderr);

    let there = keyport(&[&"provider", &"new", &folder.path()]).await;
    assert_eq!(there.code(), Some(1), "{}", there.stdout);

    let nothing = keyport(&[&"provider", &"build", &folder.path()]).await;
    assert_eq!(nothing.code(), Some(1));
    assert!(nothing.stderr.contains("keyport provider new"), "{}", nothing.stderr);

    fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
    let other = keyport(&[&"provider", &"build", &folder.path()]).await;
    assert!(other.code() == Some(1) && other.stderr.contains("cdylib"), "{}", other.stderr);

    let component = folder.path().join("lone.wasm");
    fs::write(&component, "not a component").unwrap();
    let lone = keyport(&[&"provider", &"run", &component]).await;
    assert_eq!(lone.code(), Some(1));
    assert!(lone.stderr.contains("not a WebAssembly component"), "{}", lone.stderr);
}

#[tokio::test]
async fn the_key_service_answers_who_has_the_token_and_listens_to_this_machine_only() {
    let refused = keyport(&[&"provider", &"service", &"--listen", &"0.0.0.0:0"]).await;
    assert_eq!(refused.code(), Some(2));
    assert!(refused.stderr.contains("only to this machine"), "{}", refused.stderr);
}

async fn serve(project: &Path) -> Gateway {
    let mut command = Command::new(KEYPORT);
    command.args(["provider", "run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]);
    command.arg(project.join("data")).arg(project.join("my-kms.wasm"));

    Gateway::start(command, project.join("data/ca.pem"))
        .await
        .unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
}

/// Runs a command that compiles, for however long that takes.
async fn must_succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
