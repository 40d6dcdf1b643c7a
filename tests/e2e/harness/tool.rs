//! Commands that run to their end.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Output, Stdio};

use tokio::process::Command;

use super::gateway::Ended;
use super::wait::within;

/// The binary under test.
pub(crate) const KEYPORT: &str = env!("CARGO_BIN_EXE_keyport");

/// Runs `keyport` with `arguments` to its end.
pub(crate) async fn keyport(arguments: &[&dyn AsRef<OsStr>]) -> Ended {
    let mut command = Command::new(KEYPORT);
    command.args(arguments);

    run(command).await
}

/// Runs `command` to its end, which must come in time.
pub(crate) async fn run(mut command: Command) -> Ended {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let Output { status, stdout, stderr } =
        within(&format!("{command:?}"), command.output()).await.expect("the command cannot be started");

    Ended { status, stdout: text(&stdout), stderr: text(&stderr) }
}

/// Whether the program `name` is installed. Where it is not, the test that needs it says so and passes, except where
/// `CI` is set: there it fails.
pub(crate) async fn tool(name: &str) -> bool {
    match Command::new(name).arg("--version").stdin(Stdio::null()).output().await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "`{name}` is not installed, and CI skips nothing");
            eprintln!("skipped: `{name}` is not installed");
            false
        }
        Err(error) => panic!("`{name}` cannot be started: {error}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
