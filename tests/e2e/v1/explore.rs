//! A program of other people that reads the description and tries whatever it allows, and what it does not:
//! `schemathesis`, installed below the target folder by the first test that needs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::dev::token;
use crate::harness::{Gateway, tool};

#[tokio::test]
async fn schemathesis_finds_nothing_that_is_not_described_and_no_server_error() {
    let Some(schemathesis) = schemathesis().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let description = gateway.server.client().get("/openapi.json").await.expect(200).json();
    let file = folder.path().join("openapi.json");
    fs::write(&file, without_security(description).to_string()).unwrap();

    let mut command = Command::new(schemathesis);
    command
        .arg("--no-color")
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("https://{}", gateway.server.address), "--tls-verify"])
        .arg(data.join("ca.pem"))
        .args(["--header", &format!("Authorization: Bearer {}", token(&data))])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "15"])
        .args(["--seed", "1", "--continue-on-failure", "--suppress-health-check", "all"])
        .args(["--request-timeout", "30", "--warnings", "off"])
        .current_dir(folder.path());
    let (passed, said) = ended(command, EXPLORING).await.expect("schemathesis runs");

    assert!(passed, "{said}");
    assert!(said.contains("generated"), "{said}");
}

/// Where the program is; `None` where it cannot be had, which passes, except where `CI` is set: there it fails.
async fn schemathesis() -> Option<PathBuf> {
    if !tool("python3").await {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let mark = folder.join(format!("installed-{PACKAGE}"));
    if mark.exists() {
        return Some(folder.join("bin/schemathesis"));
    }

    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(&folder);
    let mut install = Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", PACKAGE]);
    for command in [create, install] {
        match ended(command, INSTALLING).await {
            Ok((true, _)) => {}
            Ok((false, said)) | Err(said) => {
                assert!(std::env::var_os("CI").is_none(), "{PACKAGE} cannot be installed: {said}");
                eprintln!("skipped: {PACKAGE} cannot be installed: {said}");
                return None;
            }
        }
    }
    fs::write(mark, "").expect("a mark");
    Some(folder.join("bin/schemathesis"))
}

/// Whether a command ended well, and what it said; or why it did not end.
async fn ended(mut command: Command, patience: Duration) -> Result<(bool, String), String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(patience, command.output()).await {
        Ok(Ok(output)) => {
            let said = [output.stdout, output.stderr].concat();
            Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_late) => Err(format!("not within {patience:?}")),
    }
}

/// Wrong credentials are answered ever more slowly, and that is tested elsewhere: here every request has a right one.
fn without_security(mut description: Value) -> Value {
    if let Some(description) = description.as_object_mut() {
        description.remove("security");
    }
    if let Some(components) = description["components"].as_object_mut() {
        components.remove("securitySchemes");
    }
    description
}

const PACKAGE: &str = "schemathesis==4.32.5";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method";
/// Far more than it takes over a slow line.
const INSTALLING: Duration = Duration::from_secs(300);
const EXPLORING: Duration = Duration::from_secs(300);
