//! Other people's programs: `boto3`, the vendor's own client, and `moto`, a service of somebody else's making. They are installed below
//! the target folder by the first test that needs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

/// Where a program of theirs is; `None` where they cannot be had, which passes, except where `CI` is set: there it fails.
pub(crate) async fn program(name: &str) -> Option<PathBuf> {
    static INSTALLED: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let folder = INSTALLED.get_or_init(installed).await.as_ref()?;

    Some(folder.join("bin").join(name))
}

async fn installed() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aws-peers");
    let mark = folder.join("requirements.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Some(folder);
    }

    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(&folder);
    let mut install = Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements());
    for command in [create, install] {
        if let Err(said) = ended(command, INSTALLING).await {
            assert!(std::env::var_os("CI").is_none(), "moto and boto3 cannot be installed: {said}");
            eprintln!("skipped: moto and boto3 cannot be installed: {said}");
            return None;
        }
    }
    std::fs::write(mark, REQUIREMENTS).unwrap();
    Some(folder)
}

/// What a command said that ended well; or what it said otherwise.
pub(crate) async fn ended(mut command: Command, patience: Duration) -> Result<String, String> {
    let output = tokio::time::timeout(patience, command.stdin(Stdio::null()).kill_on_drop(true).output());
    let output = output.await.map_err(|_late| format!("not within {patience:?}"))?;
    let output = output.map_err(|error| error.to_string())?;

    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}

fn requirements() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/requirements.txt")
}

const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Far more than it takes over a slow line.
const INSTALLING: Duration = Duration::from_secs(600);
