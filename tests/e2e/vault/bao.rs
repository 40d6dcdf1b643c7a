//! An OpenBao of a test's own, and what its operator does and sees.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use crate::harness::{Ended, eventually, run};

/// A server in memory, with a transit engine. It ends with this.
pub(super) struct Bao {
    _process: Child,
    pub(super) address: String,
    has_tls: bool,
    folder: TempDir,
}

impl Bao {
    /// A new one without TLS; `None` where it cannot be had, which is said, and fails on CI.
    pub(super) async fn new() -> Option<Self> {
        Self::start(false).await
    }

    /// The same with TLS, and a certificate of its own making.
    pub(super) async fn with_tls() -> Option<Self> {
        Self::start(true).await
    }

    async fn start(has_tls: bool) -> Option<Self> {
        let program = program().await?;
        let (address, folder) = (free(), tempfile::tempdir().expect("a folder"));
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new(program);
        command.args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"]);
        command.arg(format!("-dev-listen-address={address}")).kill_on_drop(true);
        if has_tls {
            command.arg("-dev-tls").arg(format!("-dev-tls-cert-dir={}", folder.path().display()));
        }
        let process =
            command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log).spawn();

        let bao = Self { _process: process.expect("OpenBao starts"), address, has_tls, folder };
        eventually("OpenBao to be ready", async || {
            let status = run(bao.command(&["status"])).await;
            (status.code() == Some(0)).then_some(())
        })
        .await;
        bao.succeeds(&["secrets", "enable", "transit"]).await;
        Some(bao)
    }

    /// Runs its own program as its operator, which must succeed; answers what it printed.
    pub(super) async fn succeeds(&self, arguments: &[&str]) -> String {
        let ended = self.ended(arguments).await;

        assert_eq!(ended.code(), Some(0), "{arguments:?}: {ended:#?}");
        ended.stdout
    }

    /// The names of the keys.
    pub(super) async fn keys(&self) -> Vec<String> {
        let listed = self.ended(&["list", "-format=json", "transit/keys"]).await;

        serde_json::from_str(&listed.stdout).unwrap_or_default()
    }

    /// A connection to it, in a configuration.
    pub(super) fn connection(&self, more: &str) -> String {
        format!(
            "[[connection]]\nname = \"transit\"\nkind = \"vault\"\naddress = \"{}\"\n{}\n\
             login = {{ method = \"token\", file = \"{}\" }}\n{more}\n",
            self.url(),
            if self.has_tls { format!("ca = \"{}\"", self.ca().display()) } else { String::new() },
            self.token_file().display()
        )
    }

    /// A file with its operator's token.
    pub(super) fn token_file(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let file = self.folder.path().join("token");
        std::fs::write(&file, "root\n").expect("a file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");

        file
    }

    fn url(&self) -> String {
        format!("{}://{}", if self.has_tls { "https" } else { "http" }, self.address)
    }

    /// Who vouches for it, where it has TLS.
    fn ca(&self) -> PathBuf {
        self.folder.path().join("vault-ca.pem")
    }

    async fn ended(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments)).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM.get().cloned().flatten().expect("it was started"));
        command.args(arguments);
        command.env("BAO_ADDR", self.url()).env("BAO_TOKEN", "root");
        if self.has_tls {
            command.env("BAO_CACERT", self.ca());
        }
        command
    }
}

/// Where its program is; it is installed where it is not there.
pub(super) async fn program() -> Option<PathBuf> {
    PROGRAM.get_or_init(install).await.clone()
}

/// An address that nobody listens on now.
pub(super) fn free() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");

    listener.local_addr().expect("its address").to_string()
}

async fn install() -> Option<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.ci/setup-openbao");
    let output = Command::new(script).stdin(Stdio::null()).output().await.expect("the script runs");
    if output.status.success() {
        return Some(String::from_utf8_lossy(&output.stdout).trim().into());
    }

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(std::env::var_os("CI").is_none(), "OpenBao cannot be installed, and CI skips nothing: {said}");
    eprintln!("skipped: OpenBao cannot be installed: {said}");
    None
}

static PROGRAM: OnceCell<Option<PathBuf>> = OnceCell::const_new();
