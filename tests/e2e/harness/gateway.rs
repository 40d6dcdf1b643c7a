//! A process that is a gateway.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::client::Server;
use super::tool::KEYPORT;
use super::wait::{eventually_in, within};
use super::webhook::Webhook;

/// A gateway that serves. It is killed when it is dropped, and what it logged is printed if the test failed.
pub(crate) struct Gateway {
    child: Child,
    pid: Pid,
    stdout: Said,
    stderr: Said,
    /// What callers connect to.
    pub(crate) server: Server,
    /// What operators read.
    pub(crate) admin: SocketAddr,
    /// What it works in, which is not removed under it.
    folder: Option<Arc<TempDir>>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code; `None` where a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Everything that it said.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Gateway {
    /// Starts `keyport dev` on `data`.
    pub(crate) async fn dev(data: &Path) -> Self {
        must_start(dev_command(data), data.join("ca.pem")).await
    }

    /// The same, with a limit on the size of files that can be set from outside: what exceeds it fails, as on a full
    /// disk, where it would usually end the process.
    pub(crate) async fn dev_on_a_small_disk(data: &Path) -> Self {
        let plain = dev_command(data);
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(plain.as_std().get_program());
        command.args(plain.as_std().get_args());

        must_start(command, data.join("ca.pem")).await
    }

    /// Runs `command` until it is ready or has ended. `ca` is who issued its certificate.
    pub(crate) async fn start(mut command: Command, ca: PathBuf) -> Result<Self, Ended> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the gateway cannot be started");
        let pid =
            child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("a running process");
        let mut stdout = Said::listen(child.stdout.take().expect("piped"));
        let mut stderr = Said::listen(child.stderr.take().expect("piped"));

        let ready = eventually_in(START, "the gateway to be ready", async || {
            match (address(&stdout.so_far(), "ready https://"), address(&stdout.so_far(), "admin http://")) {
                (Some(callers), Some(operators)) => Some(Ok((callers, operators))),
                _ => child.try_wait().expect("its state").map(Err),
            }
        })
        .await;
        match ready {
            Ok((address, admin)) => Ok(Self {
                child,
                pid,
                stdout,
                stderr,
                server: Server::new(address, &ca),
                admin,
                folder: None,
            }),
            Err(status) => Err(Ended { status, stdout: stdout.all().await, stderr: stderr.all().await }),
        }
    }

    /// The same, in a folder that stays for as long as it runs.
    pub(super) fn within(mut self, folder: Arc<TempDir>) -> Self {
        self.folder = Some(folder);
        self
    }

    /// A client of contract `webhook` that presents `token`.
    pub(crate) fn webhook(&self, token: &str) -> Webhook {
        Webhook::new(self.server.client().with_token(token).with_base("/webhook"))
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> String {
        self.stdout.so_far()
    }

    /// What it logged so far.
    pub(crate) fn logged(&self) -> String {
        self.stderr.so_far()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the signal is sent");
    }

    /// Ends it at once, without a word.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = within("the gateway to end", self.child.wait()).await.expect("its end");

        Ended { status, stdout: self.stdout.all().await, stderr: self.stderr.all().await }
    }

    /// `GET path` at the admin listener: the status and the body.
    pub(crate) async fn ask_admin(&self, path: &str) -> (u16, String) {
        let answer = Server::plain(self.admin).client().get(path).await;

        (answer.status, answer.text())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the gateway logged:\n{}---", self.logged());
        }
    }
}

async fn must_start(command: Command, ca: PathBuf) -> Gateway {
    Gateway::start(command, ca).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
}

fn dev_command(data: &Path) -> Command {
    let mut command = Command::new(KEYPORT);
    command.args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]).arg(data);
    command
}

/// The address that follows `words` in what was said.
fn address(said: &str, words: &str) -> Option<SocketAddr> {
    let (_, address) = said.split_once(words)?;
    // A line that is still being written does not count.
    let (address, _) = address.split_once('\n')?;

    address.trim().parse().ok()
}

/// What a process says on one of its outputs.
struct Said {
    so_far: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

impl Said {
    fn listen(mut output: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let so_far = Arc::<Mutex<Vec<u8>>>::default();
        let said = Arc::clone(&so_far);
        let listener = tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut piece).await {
                said.lock().expect("not poisoned").extend_from_slice(&piece[..length]);
            }
        });

        Self { so_far, listener: Some(listener) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.so_far.lock().expect("not poisoned")).into_owned()
    }

    /// Everything, once the output is closed.
    async fn all(&mut self) -> String {
        if let Some(listener) = self.listener.take() {
            within("the end of an output", listener).await.expect("the listener ends");
        }
        self.so_far()
    }
}

/// The longest that a start may take: it may have to compile a component as large as they come.
const START: Duration = Duration::from_secs(200);
