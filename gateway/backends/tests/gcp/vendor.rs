//! Whether the stand-in is what Google's own client takes for Cloud KMS, so that it is not judged by our reading alone: the client in
//! Python, installed below the target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use keyport_stand_ins::gcp::{StandIn, key_file};
use tokio::process::Command;

use crate::ring::{RING, write};

#[tokio::test(flavor = "multi_thread")]
async fn googles_own_client_takes_the_stand_in_for_cloud_kms() {
    let Some(python) = python().await else { return };
    let stand_in = StandIn::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    write(&file, &key_file().to_string());

    let mut command = Command::new(python);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gcp/vendor.py");
    command.arg(script).arg(stand_in.url()).arg(file).arg(RING).env_clear();
    let said = ended(command, Duration::from_secs(120)).await;

    assert_eq!(said.as_deref().map(str::trim), Ok("all as Google's client expects"));
}

/// A Python that has the client; `None` where it cannot be had, which passes, except where `CI` is set: there it fails.
async fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("google-cloud-kms");
    let (mark, python) = (folder.join(format!("installed-{PACKAGE}")), folder.join("bin/python"));
    if mark.exists() {
        return Some(python);
    }

    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(&folder);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]);
    for command in [create, install] {
        if let Err(said) = ended(command, Duration::from_secs(300)).await {
            assert!(std::env::var_os("CI").is_none(), "{PACKAGE} cannot be installed: {said}");
            eprintln!("skipped: {PACKAGE} cannot be installed: {said}");
            return None;
        }
    }
    std::fs::write(mark, "").unwrap();
    Some(python)
}

/// What a command said that ended well; otherwise, why not.
async fn ended(mut command: Command, patience: Duration) -> Result<String, String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(patience, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Ok(output)) => Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_late) => Err(format!("not within {patience:?}")),
    }
}

const PACKAGE: &str = "google-cloud-kms==3.18.0";
