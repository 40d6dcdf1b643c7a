//! A provider of one's own, from nothing to a signature.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::process::Command;

use crate::dev::{answer_of, curls};
use crate::harness::{Gateway, Hash, KEYPORT, eventually, keyport, run, tool, verifies};
use crate::provider::run as patiently;

/// A language, and the command that runs the tests which a new project has of its own.
struct Written {
    lang: &'static str,
    own_tests: &'static [&'static str],
}

const GO: Written = Written { lang: "go", own_tests: &["go", "test", "./provider"] };
const JS: Written = Written { lang: "js", own_tests: &["npm", "test"] };
const PYTHON: Written = Written { lang: "python", own_tests: &["python3", "-m", "unittest", "-q"] };
const RUST: Written = Written { lang: "rust", own_tests: &["cargo", "test", "--quiet"] };

#[tokio::test]
async fn a_new_provider_builds_passes_its_own_tests_and_serves_both_contracts() {
    if tool("curl").await && tool("bash").await {
        from_nothing_to_signatures(&RUST).await;
    }
}

#[tokio::test]
async fn so_does_one_in_javascript() {
    if tool("curl").await && tool("bash").await && tool("npm").await {
        from_nothing_to_signatures(&JS).await;
    }
}

#[tokio::test]
#[ignore = "needs Go, and a minute to compile: make test-peers"]
async fn so_does_one_in_go() {
    if tool("curl").await && tool("bash").await && tool("go").await {
        from_nothing_to_signatures(&GO).await;
    }
}

#[tokio::test]
#[ignore = "takes a minute to compile: make test-peers"]
async fn so_does_one_in_python() {
    if tool("curl").await && tool("bash").await && tool("python3").await {
        from_nothing_to_signatures(&PYTHON).await;
    }
}

async fn from_nothing_to_signatures(Written { lang, own_tests }: &Written) {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("my-kms");
    assert_eq!(keyport(&[&"provider", &"new", &"--lang", lang, &project]).await.code(), Some(0));

    must_succeed(Command::new(KEYPORT).args(["provider", "build"]).current_dir(&project)).await;
    must_succeed(Command::new(own_tests[0]).args(&own_tests[1..]).current_dir(&project)).await;
    let on_the_component = |command: &str| {
        let mut keyport = Command::new(KEYPORT);
        keyport.args(["provider", command]).arg(project.join("my-kms.wasm"));
        patiently(keyport)
    };
    let inspected = on_the_component("inspect").await;
    assert!(inspected.stdout.contains("imports    keyport:provider/http@0.1.0"), "{}", inspected.stdout);
    assert!(!inspected.stdout.contains("wasi"), "{}", inspected.stdout);

    let tested = on_the_component("test").await;
    assert!(tested.code() == Some(0) && tested.stdout.contains(" 0 failed, 0 advised"), "{}", tested.stdout);

    signs_over_both_contracts(&project).await;
}

async fn signs_over_both_contracts(project: &Path) {
    let gateway = serve(project).await;
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

    for (manifest, text, wanted) in [
        ("go.mod", "module web\n\ngo 1.25\n", "go.bytecodealliance.org/pkg among what it requires"),
        ("package.json", r#"{"name": "web", "scripts": {"start": "node ."}}"#, "\"build\" in its scripts"),
        ("pyproject.toml", "[project]\nname = \"web\"\n", "in [tool.keyport] the module"),
    ] {
        let web = tempfile::tempdir().unwrap();
        fs::write(web.path().join(manifest), text).unwrap();
        let web = keyport(&[&"provider", &"build", &web.path()]).await;
        assert!(web.code() == Some(1) && web.stderr.contains(wanted), "{}", web.stderr);
    }

    let component = folder.path().join("lone.wasm");
    fs::write(&component, "not a component").unwrap();
    let lone = keyport(&[&"provider", &"run", &component]).await;
    assert_eq!(lone.code(), Some(1));
    assert!(lone.stderr.contains("not a WebAssembly component"), "{}", lone.stderr);
}

#[tokio::test]
async fn what_has_to_be_installed_is_named_with_the_version_that_does() {
    for (lang, name, old, wanted) in [
        ("go", "go", "go version go1.20.3 linux/amd64", "install Go 1.25"),
        ("js", "node", "v16.20.2", "install Node.js 18"),
        ("python", "python3", "Python 3.9.2", "install Python 3.11"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("my-kms");
        assert_eq!(keyport(&[&"provider", &"new", &"--lang", &lang, &project]).await.code(), Some(0));
        let tools = folder.path().join("tools");
        fs::create_dir(&tools).unwrap();
        let build = async || {
            let mut build = Command::new(KEYPORT);
            build.args(["provider", "build"]).arg(&project).env("PATH", &tools);
            run(build).await
        };

        let without = build().await;
        assert_eq!(without.code(), Some(1));
        let words = format!("{name} cannot be started: {wanted}");
        assert!(without.stderr.contains(&words), "{}", without.stderr);

        let program = tools.join(name);
        fs::write(&program, format!("#!/bin/sh\necho {old}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let outdated = build().await;
        assert_eq!(outdated.code(), Some(1));
        let words = format!("{name} is {old}: {wanted}");
        assert!(outdated.stderr.contains(&words), "{}", outdated.stderr);
    }
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
