//! LocalEmu, an emulator of AWS by other people.
//!
//! Whatever it is told, it listens on every address there is, and asks nobody who they are. So it runs in a network namespace of its own, and
//! a port of this machine's loopback leads there by a socket in a folder that is the test's alone.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

/// One with nothing in it but what a test puts there. It ends with this.
pub(crate) struct LocalEmu {
    pub(crate) url: String,
    python: PathBuf,
    process: Child,
    relay: JoinHandle<()>,
    _folder: TempDir,
}

impl LocalEmu {
    /// A new one; `None` where it cannot be had, which is said, and fails on CI.
    pub(crate) async fn start() -> Option<Self> {
        let (python, namespace) = (python().await?, namespace().await?);
        let folder = tempfile::tempdir().unwrap();
        let (log, socket) = (folder.path().join("log"), folder.path().join("socket"));
        let mut command = Command::new("unshare");
        command.args(namespace).arg(&python).arg(EMULATOR).arg(&socket);
        command.env("HOME", folder.path()).env("TMPDIR", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut process = command.kill_on_drop(true).spawn().unwrap();

        let (mut output, mut said) = (process.stdout.take().unwrap(), String::new());
        let ready = tokio::time::timeout(PATIENCE, output.read_to_string(&mut said)).await;
        let logged = std::fs::read_to_string(&log).unwrap();
        assert!(ready.is_ok() && said == "ready\n", "LocalEmu does not start: {logged}");

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let relay = tokio::spawn(relay(listener, socket));
        Some(Self { url, python, process, relay, _folder: folder })
    }

    /// What the vendor's client, which comes with it, does to its KMS; answers what that printed.
    pub(crate) async fn told(&self, statements: &str) -> String {
        let client = format!(
            "import boto3\nkms = boto3.client('kms', endpoint_url='{}', region_name='{REGION}', \
             aws_access_key_id='{ACCESS_KEY}', aws_secret_access_key='{SECRET}')\n",
            self.url
        );
        let mut command = Command::new(&self.python);
        command.arg("-c").arg(client + statements).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();

        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for LocalEmu {
    fn drop(&mut self) {
        self.relay.abort();
        // It fails only where the process has ended already.
        let _ended_already = self.process.start_kill();
    }
}

async fn relay(listener: TcpListener, socket: PathBuf) {
    while let Ok((mut near, _)) = listener.accept().await {
        let socket = socket.clone();
        tokio::spawn(async move {
            let mut far = UnixStream::connect(socket).await?;
            tokio::io::copy_bidirectional(&mut near, &mut far).await
        });
    }
}

/// The Python that it is installed in; it is installed where it is not there.
async fn python() -> Option<PathBuf> {
    static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();

    PYTHON.get_or_init(install).await.clone()
}

async fn install() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/setup-localemu");
    let output = Command::new(script).stdin(Stdio::null()).output().await.unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap().trim().into());
    }

    missing(&format!("it cannot be installed: {}", String::from_utf8_lossy(&output.stderr)))
}

/// How a namespace is made here, in arguments of `unshare`: by root, or by whoever may be root of a user namespace.
async fn namespace() -> Option<&'static [&'static str]> {
    let mut refusals = String::new();
    for way in [&["--net"][..], &["--map-root-user", "--net"]] {
        match Command::new("unshare").args(way).arg("true").stdin(Stdio::null()).output().await {
            Ok(output) if output.status.success() => return Some(way),
            Ok(output) => refusals += &String::from_utf8_lossy(&output.stderr),
            Err(error) => refusals += &format!("unshare, of util-linux: {error}\n"),
        }
    }

    missing(&format!(
        "it runs in a network namespace only, and neither `unshare --net` makes one, which root may, nor `unshare \
         --map-root-user --net`, which everybody may where user namespaces are allowed: {refusals}"
    ))
}

/// That a test is skipped, except on CI.
fn missing<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "no LocalEmu, and CI skips nothing: {why}");

    eprintln!("skipped: no LocalEmu: {why}");
    None
}

/// The account is the first of its access key, where that is a number.
pub(crate) const ACCESS_KEY: &str = "111122223333";
pub(crate) const REGION: &str = "eu-central-1";
/// It looks at none.
pub(crate) const SECRET: &str = "secret";

const EMULATOR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../gateway/backends/tests/localemu/emulator.py");
/// Far more than it takes to start.
const PATIENCE: Duration = Duration::from_secs(120);
