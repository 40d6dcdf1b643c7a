//! A worker's process: started, killed and waited for.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::sync::oneshot;

use super::supervisor::Program;

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    // A number may be given to another process once this one is waited for; a descriptor means this one for ever.
    pidfd: OwnedFd,
    pid: u32,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Process {
    /// Starts `program`; its standard input is the other end of the socket that is returned.
    pub(super) async fn start(program: &Program) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = command(program, theirs);
        let (started, start) = oneshot::channel();
        let (end, ended) = oneshot::channel();

        // A thread of its own, for as long as the process lives: the kernel sends the death signal that the process asked
        // for when the thread that started it ends.
        thread::Builder::new().name("worker".into()).spawn(move || {
            let child = match command.spawn().and_then(|child| Ok((pidfd(&child)?, child))) {
                Ok((pidfd, child)) => started.send(Ok((pidfd, child.id()))).ok().map(|()| child),
                Err(error) => started.send(Err(error)).ok().and(None),
            };
            // What it cannot be sent to is not waiting any more.
            drop(child.map(|child| end.send(wait(child))));
        })?;

        let (pidfd, pid) = start.await.map_err(io::Error::other)??;
        Ok((Self { pidfd, pid, ended }, ours))
    }

    /// Its number, for people.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills it, and says how it ended: by itself before that, or so.
    pub(super) async fn end(mut self) -> String {
        self.kill();

        match (&mut self.ended).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => format!("nobody knows how: {error}"),
            Err(_gone) => "nobody knows how".to_owned(),
        }
    }

    fn kill(&self) {
        // It fails only where the process has ended already.
        let _ended_already = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(program: &Program, socket: UnixStream) -> Command {
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .env_clear()
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        // A Ctrl-C at the terminal is for the gateway, which still has requests to end.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());

    command
}

fn pidfd(child: &Child) -> io::Result<OwnedFd> {
    Ok(pidfd_open(Pid::from_child(child), PidfdFlags::empty())?)
}

/// Waits for its end, and takes what it started with it.
fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(&child);
    if let Some(stderr) = child.stderr.take() {
        // A thread of its own: what the process started may keep the pipe open longer than it lives.
        let number = child.id();
        thread::Builder::new().name("worker-stderr".into()).spawn(move || log(number, stderr))?;
    }

    // It is not waited for until its group is gone: its number cannot be another's until then.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let _none_left = kill_process_group(pid, Signal::KILL);
    child.wait()
}

/// A vendor's library writes what it likes: lines are cut, and after so many the rest is read and thrown away.
fn log(pid: u32, stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    for _ in 0..LINES {
        let mut line = Vec::new();
        match stderr.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let line = String::from_utf8_lossy(&line);
                tracing::warn!(pid, line = line.trim_end(), "a worker wrote to its standard error");
            }
        }
    }

    // Only a pipe that nobody reads would stop it.
    drop(io::copy(&mut stderr, &mut io::sink()));
}

const LINES: usize = 1000;
const LINE: u64 = 1024;
