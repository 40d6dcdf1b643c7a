//! A process of its own for compiling what others wrote, bounded in memory and time.
//!
//! What a component costs the compiler does not show in its size: fifteen kilobytes of nested loops take it gigabytes and
//! minutes, and fifteen of nested types more stack than a thread has, which ends the process. So that is another one than
//! the gateway's: it reads the two bounds and the component from its standard input, and writes one byte that says what
//! follows, the code or what is wrong, to its standard output.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use keyport_core::{Failure, FailureKind};
use rustix::process::{
    Resource, Rlimit, Signal, set_parent_process_death_signal, setpriority_process, setrlimit,
};
use rustix::thread::set_no_new_privs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

use crate::engine::engine;
use crate::refusal::Refusal;
use crate::threads::NICE;

/// What compiles components that are not trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Compiler {
    /// The program that runs [`compiler_host`].
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Bytes of memory that compiling one component may take, its code included.
    pub memory: usize,
}

impl Compiler {
    /// Bytes of memory, where nothing else is said: a component of 18 MB, in Python, takes a sixth on two CPUs.
    pub const MEMORY: usize = 2 << 30;

    /// The code that the engine makes of a component, within `time`. Dropping the future ends the process.
    pub(crate) async fn compile(&self, component: &[u8], time: Duration) -> Result<Made, Refusal> {
        let ended = |status: ExitStatus| self.ended(status);
        let (status, said) = self.said(component, time).await.map_err(|error| {
            Refusal::Compiler(Failure::new(FailureKind::Unavailable, format!("its process failed: {error}")))
        })?;

        match said.split_first() {
            Some(_) if said.len() >= usize::try_from(CODE).unwrap_or(usize::MAX) => {
                Err(Refusal::Costly { memory: self.memory, ended: "its code is too large".to_owned() })
            }
            Some((&COMPILED, code)) if status.success() => Ok(Made(code.to_vec())),
            Some((&INVALID, words)) if status.success() => {
                Err(Refusal::Invalid(String::from_utf8_lossy(words).as_ref().into()))
            }
            Some(_) | None => Err(ended(status)),
        }
    }

    /// How the process ended, and what it said.
    async fn said(&self, component: &[u8], time: Duration) -> io::Result<(ExitStatus, Vec<u8>)> {
        let mut child = self.start()?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
        let mut said = Vec::new();
        let mut stdout = stdout.take(CODE);

        // It may end before it has heard everything; how it did says more than that.
        let (_heard, heard) =
            tokio::join!(tell(stdin, (self.memory, time), component), stdout.read_to_end(&mut said));
        heard?;
        Ok((child.wait().await?, said))
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            // A Ctrl-C at the terminal is for the gateway, which says what becomes of this.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }

    fn ended(&self, status: ExitStatus) -> Refusal {
        match status.code() {
            // Memory that is not given, a stack that is used up and CPU time that is spent all end it by a signal.
            None => Refusal::Costly { memory: self.memory, ended: status.to_string() },
            Some(_) => {
                Refusal::Compiler(Failure::new(FailureKind::Internal, format!("its process ended: {status}")))
            }
        }
    }
}

/// Code that a process of ours has just made. Only [`Compiler::compile`] makes one.
#[derive(Debug)]
pub(crate) struct Made(Vec<u8>);

impl Made {
    pub(crate) fn code(&self) -> &[u8] {
        &self.0
    }
}

async fn tell(mut stdin: ChildStdin, (memory, time): (usize, Duration), component: &[u8]) -> io::Result<()> {
    stdin.write_all(&u64::try_from(memory).unwrap_or(u64::MAX).to_le_bytes()).await?;
    stdin.write_all(&time.as_secs().to_le_bytes()).await?;
    stdin.write_all(component).await?;

    stdin.shutdown().await
}

/// Compiles one component for the gateway that started this process.
pub fn compiler_host() -> ExitCode {
    match compile(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn compile(mut stdin: impl Read, mut stdout: impl Write) -> io::Result<()> {
    let (memory, seconds) = (bound(&mut stdin)?, bound(&mut stdin)?);
    confine(memory, seconds)?;
    let mut component = Vec::new();
    stdin.read_to_end(&mut component)?;

    let compiled = engine(1).and_then(|engine| engine.precompile_component(&component));
    let (tag, said) = match compiled {
        Ok(code) => (COMPILED, code),
        Err(error) => (INVALID, format!("{error:#}").into_bytes()),
    };
    stdout.write_all(&[tag])?;
    stdout.write_all(&said)?;
    stdout.flush()
}

fn bound(stdin: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stdin.read_exact(&mut bytes)?;

    Ok(u64::from_le_bytes(bytes))
}

/// Lives no longer than the gateway, yields to it, and takes no more memory and CPU time than this.
///
/// Address space that is only reserved, as the engine's is, does not count as memory (setrlimit(2), `RLIMIT_DATA`).
fn confine(memory: u64, seconds: u64) -> io::Result<()> {
    let most = |bound| Rlimit { current: Some(bound), maximum: Some(bound) };

    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    setpriority_process(None, NICE)?;
    setrlimit(Resource::Core, most(0))?;
    setrlimit(Resource::Data, most(memory))?;
    Ok(setrlimit(Resource::Cpu, most(seconds.saturating_mul(THREADS).saturating_add(1)))?)
}

/// What follows is code.
const COMPILED: u8 = 0;

/// What follows says what is wrong with the component.
const INVALID: u8 = 1;

/// Bytes of code that are read, at most: a component of 18 MB, in Python, has an eighth.
const CODE: u64 = 256 << 20;

/// Threads that compile at a time, at most, as far as CPU time is concerned: the gateway ends the process by the clock.
const THREADS: u64 = 64;
