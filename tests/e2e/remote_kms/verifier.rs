//! Programs of other people that verify a JWS: `jose` for JavaScript and `joserfc` for Python, installed below the
//! target folder by the first test that needs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::harness::{run, tool};

/// Has `jose` verify all of `signed`; `None` where it cannot be had.
pub(crate) async fn jose(signed: &Value) -> Option<String> {
    if !tool("node").await || !tool("npm").await {
        return None;
    }
    let folder = folder("jose");
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder);
    install.arg(JOSE);
    if !installed(&folder, JOSE, [install]).await {
        return None;
    }

    // Modules are looked for from where the script is.
    let script = folder.join("verify.mjs");
    fs::write(&script, include_str!("verify.mjs")).expect("a script");
    let mut command = Command::new("node");
    command.arg(script);
    Some(verified(command, signed).await)
}

/// Has `joserfc` verify all of `signed`; `None` where it cannot be had.
pub(crate) async fn joserfc(signed: &Value) -> Option<String> {
    if !tool("python3").await {
        return None;
    }
    let folder = folder("joserfc");
    let python = folder.join("bin/python");
    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(&folder);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", JOSERFC]);
    if !installed(&folder, JOSERFC, [create, install]).await {
        return None;
    }

    let mut command = Command::new(python);
    command.args(["-c", include_str!("verify.py")]);
    Some(verified(command, signed).await)
}

/// What `command` says of the file that all of `signed` is in.
async fn verified(mut command: Command, signed: &Value) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&file, signed.to_string()).expect("its content");
    command.arg(file.path());

    let ended = run(command).await;
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    ended.stdout
}

/// Whether `package` is there, after `commands` have installed it where it was not. What cannot be installed is said,
/// and passes, except where `CI` is set: there it fails.
async fn installed(folder: &Path, package: &str, commands: impl IntoIterator<Item = Command>) -> bool {
    let mark = folder.join(format!("installed-{package}"));
    if mark.exists() {
        return true;
    }

    for mut command in commands {
        command.stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(INSTALLING, command.output()).await;
        let failed = match ended {
            Ok(Ok(output)) if output.status.success() => continue,
            Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_late) => format!("not within {INSTALLING:?}"),
        };
        assert!(
            std::env::var_os("CI").is_none(),
            "{package} cannot be installed, and CI skips nothing: {failed}"
        );
        eprintln!("skipped: {package} cannot be installed: {failed}");
        return false;
    }
    fs::write(mark, "").expect("a mark");
    true
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

const JOSE: &str = "jose@6.2.17";
const JOSERFC: &str = "joserfc==1.8.0";
/// Far more than it takes over a slow line.
const INSTALLING: Duration = Duration::from_secs(300);
