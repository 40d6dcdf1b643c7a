//! The processes behind a backend, to be killed and stopped.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::Instant;

use crate::token::Token;

/// The processes that run the module of this token's connections now.
pub(crate) fn hosts(token: &Token) -> Vec<Pid> {
    let mark = token.folder.path().as_os_str().as_bytes();
    let is_host = |pid: &Pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|byte| *byte == 0);
        let program = arguments.next().map(OsStr::from_bytes).map(Path::new);

        program.and_then(Path::file_name) == Some(OsStr::new("keyport-pkcs11-test-host"))
            && arguments.any(|argument| argument == mark)
    };

    processes().filter(is_host).collect()
}

/// Kills them at once, as the kernel's out-of-memory killer would.
pub(crate) fn kill_hosts(token: &Token) -> usize {
    let hosts = hosts(token);
    for host in &hosts {
        kill_process(*host, Signal::KILL).unwrap();
    }

    hosts.len()
}

/// Asks until it is so; fails where that takes longer than anything here may.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not so: {what}");
        tokio::task::yield_now().await;
    }
}

/// Stops a process, and waits until all its threads stand still.
pub(crate) fn stop(pid: Pid) {
    kill_process(pid, Signal::STOP).unwrap();

    let threads = || fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stands = |thread: PathBuf| fs::read_to_string(thread.join("status")).unwrap().contains("State:\tT");
    while !threads().all(|thread| stands(thread.unwrap().path())) {
        std::thread::yield_now();
    }
}

/// The processes of a group that are alive: who is to wait for an orphan may take its time.
pub(crate) fn group_of(leader: Pid) -> Vec<Pid> {
    let leader = leader.to_string();
    let is_member = |pid: &Pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which may have anything in it: state, parent, group.
        let (_, rest) = stat.rsplit_once(')').unwrap_or_default();
        let mut fields = rest.split_whitespace();
        fields.next() != Some("Z") && fields.nth(1) == Some(&*leader)
    };

    processes().filter(is_member).collect()
}

fn processes() -> impl Iterator<Item = Pid> {
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());

    names.filter_map(|name| Pid::from_raw(name.parse().ok()?))
}

/// A p11-kit server with a token behind it: what can be stopped and killed though the token's library cannot.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(token: &Token) -> Self {
        let socket = socket(token);
        // The one that was killed left it behind.
        drop(fs::remove_file(&socket));
        let mut command = token.command("p11-kit");
        command.args(["server", "--foreground", "--provider", token.kind.module, "--name"]).arg(&socket);
        let child = command
            .arg(format!("pkcs11:token={}", token.kind.label))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();

        let mut server = Self { child };
        while !socket.exists() {
            assert!(server.child.try_wait().unwrap().is_none(), "the p11-kit server ended");
            std::thread::yield_now();
        }
        server
    }

    /// Sends a signal to it and to what it started for its connections.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.child.wait().unwrap();
    }
}

/// Where the server of this token listens.
pub(crate) fn socket(token: &Token) -> PathBuf {
    token.folder.path().join("p11-kit.sock")
}

/// The number of calls of one C function that a spy saw.
pub(crate) fn calls(log: &Path, function: &str) -> usize {
    let log = fs::read_to_string(log).unwrap_or_default();

    log.lines().filter(|line| line.split(": ").nth(1) == Some(function)).count()
}
