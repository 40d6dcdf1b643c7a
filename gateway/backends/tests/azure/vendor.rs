//! Whether the stand-in is what Microsoft's own clients take for a vault, so that it is not judged by our reading alone: those in
//! Python, installed below the target folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use keyport_stand_ins::azure::StandIn;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::certificate::{Pair, signed};

#[tokio::test(flavor = "multi_thread")]
async fn microsofts_own_clients_take_the_stand_in_for_a_vault() {
    let Some(python) = python().await else { return };
    let stand_in = StandIn::start();

    let mut command = Command::new(python);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure/vendor.py");
    command.arg(script).arg(stand_in.url()).env_clear();
    let said = ended(command, Duration::from_secs(120)).await;

    assert_eq!(said.as_deref().map(str::trim), Ok("all as Microsoft's clients expect"));
}

/// That a token is asked for by an assertion like ours: signed likewise, with the same header, and the same claims but for `nbf`.
#[tokio::test(flavor = "multi_thread")]
async fn microsofts_own_client_says_of_a_certificate_what_the_stand_in_wants() {
    let Some(python) = python().await else { return };
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let [certificate, key] = ["azure.pem", "azure.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, pair.certificate.pem()).unwrap();
    std::fs::write(&key, pair.key.serialize_pem()).unwrap();

    let mut command = Command::new(python);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure/login.py");
    command.args([&script, &certificate, &key]).arg("https://login.microsoftonline.com").env_clear();
    let said = ended(command, Duration::from_secs(120)).await.unwrap();

    let claims = signed(said.trim(), pair.certificate.der()).unwrap();
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "sub"]);
    assert_eq!(claims["aud"], "https://login.microsoftonline.com/directory/oauth2/v2.0/token");
    assert_eq!([&claims["iss"], &claims["sub"]], ["application"; 2]);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
}

/// The same for every test: it is installed once.
async fn python() -> Option<PathBuf> {
    static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();

    PYTHON.get_or_init(installed).await.clone()
}

/// A Python that has the client; `None` where it cannot be had, which passes, except where `CI` is set: there it fails.
async fn installed() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("azure-keyvault-keys");
    let (mark, python) = (folder.join(format!("installed-{}", PACKAGES.concat())), folder.join("bin/python"));
    if mark.exists() {
        return Some(python);
    }

    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(&folder);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    for command in [create, install] {
        if let Err(said) = ended(command, Duration::from_secs(300)).await {
            assert!(std::env::var_os("CI").is_none(), "{PACKAGES:?} cannot be installed: {said}");
            eprintln!("skipped: {PACKAGES:?} cannot be installed: {said}");
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

const PACKAGES: [&str; 2] = ["azure-keyvault-keys==4.11.3", "azure-identity==1.27.0"];
