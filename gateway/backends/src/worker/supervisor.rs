//! Keeps one worker alive: starts it, replaces it when it ends, hangs or asks for it, and passes calls on meanwhile.

use std::ffi::OsString;
use std::fmt::Debug;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyport_core::{Failure, FailureKind};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::backoff::Backoff;
use super::frame::{FrameError, encode};
use super::link::{Drive, Incoming, Link, Outcome};
use super::message::{FromWorker, Hello, ToWorker};
use super::process::Process;
use super::{Again, Protocol, Refusal};

/// The program that a worker is.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its file. `/proc/self/exe` is this very program, even after an upgrade replaced its file.
    pub path: PathBuf,
    /// Its arguments. Nothing secret: everybody on the machine can read them.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// How long things may take, and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the process's start until it serves.
    pub start: Duration,
    /// Between two signs of life.
    pub heartbeat: Duration,
    /// Calls with the worker at once.
    pub in_flight: usize,
}

/// A supervised worker. It ends when this is dropped.
#[derive(Debug)]
pub struct Worker<P: Protocol> {
    name: String,
    state: watch::Receiver<State<P>>,
    supervisor: JoinHandle<()>,
}

/// Why a worker could not be started the first time, where trying again would not help.
#[derive(Debug)]
pub enum WorkerError<P: Protocol> {
    /// Its process cannot be started.
    Process(std::io::Error),
    /// It refused.
    Refused(P::Refusal),
    /// It ended, or said something else than it should.
    Failed(Failure),
}

/// What there is to call.
#[derive(Debug)]
enum State<P: Protocol> {
    /// Nothing yet.
    Starting,
    /// A worker.
    Up(Arc<Link<P>>, P::Ready),
    /// Nothing until then, or a little later. One that served has ended, and its replacement is worth waiting for.
    Replacing(Failure, Instant),
    /// Nothing until then at least: the last one could not serve.
    Down(Failure, Instant),
    /// Nothing ever again.
    Over(Failure),
}

impl<P: Protocol> Worker<P> {
    /// Starts a worker, which logs call `name`. Waits for it to serve, but no longer than its start may take: what can mend
    /// itself goes on in the background.
    pub async fn start(
        name: String,
        program: Program,
        setup: P::Setup,
        limits: Limits,
    ) -> Result<Self, WorkerError<P>> {
        let (says, mut state) = watch::channel(State::Starting);
        let (refuse, mut refused) = oneshot::channel();
        let supervisor = Supervisor {
            name: name.clone(),
            program,
            setup,
            limits,
            says,
            refuse: Some(refuse),
            served: false,
            unheard: 0,
        };
        let supervisor = tokio::spawn(supervisor.run());
        let worker = Self { name, state: state.clone(), supervisor };

        let settled = timeout(limits.start, state.wait_for(|state| !matches!(state, State::Starting))).await;
        drop(settled);
        match refused.try_recv() {
            Ok(error) => Err(error),
            Err(_nothing_final) => Ok(worker),
        }
    }

    /// Asks the worker, once there is one. [`FailureKind::Unavailable`] where there is none by `deadline`, and at once
    /// where it is known that there will be none; a worker that is at it for longer than `limit` is killed.
    pub async fn call(
        &self,
        request: P::Request,
        deadline: std::time::Instant,
        limit: Duration,
    ) -> Result<P::Answer, Failure> {
        let (mut request, deadline) = (request, Instant::from_std(deadline));
        loop {
            let link = self.link(deadline).await?;
            match link.call(request, deadline, limit).await {
                Outcome::Ended(outcome) => return outcome,
                Outcome::NotSent(unsent) => request = unsent,
            }
        }
    }

    /// What the worker said when it began to serve, as [`Self::call`] waits for it.
    pub async fn ready(&self, deadline: std::time::Instant) -> Result<P::Ready, Failure> {
        self.up(Instant::from_std(deadline), |_, ready| ready.clone()).await
    }

    async fn link(&self, deadline: Instant) -> Result<Arc<Link<P>>, Failure> {
        self.up(deadline, |link, _| Arc::clone(link)).await
    }

    async fn up<T>(
        &self,
        deadline: Instant,
        take: impl Fn(&Arc<Link<P>>, &P::Ready) -> T,
    ) -> Result<T, Failure> {
        let mut state = self.state.clone();
        let settled = timeout_at(deadline, state.wait_for(|state| state.is_settled(deadline))).await;
        match settled {
            Ok(Ok(state)) => match &*state {
                State::Up(link, ready) => Ok(take(link, ready)),
                State::Down(..) | State::Over(_) | State::Replacing(..) | State::Starting => {
                    Err(state.failure())
                }
            },
            Ok(Err(_gone)) => Err(Failure::new(FailureKind::Unavailable, "the worker is shut down")),
            Err(_late) => Err(self.state.borrow().failure()),
        }
    }
}

impl<P: Protocol> Drop for Worker<P> {
    fn drop(&mut self) {
        tracing::debug!(worker = self.name, "shut down");
        self.supervisor.abort();
    }
}

impl<P: Protocol> State<P> {
    /// Whether waiting for another state until `deadline` is of no use.
    fn is_settled(&self, deadline: Instant) -> bool {
        match self {
            Self::Starting => false,
            Self::Replacing(_, until) => *until >= deadline,
            Self::Down(..) | Self::Up(..) | Self::Over(_) => true,
        }
    }

    fn failure(&self) -> Failure {
        match self {
            Self::Starting => retry(Failure::new(FailureKind::Unavailable, "the worker is starting"), SOON),
            Self::Replacing(failure, until) | Self::Down(failure, until) => {
                let delay = until.saturating_duration_since(Instant::now());
                retry(failure.clone(), delay.max(SOON))
            }
            Self::Up(..) => Failure::new(FailureKind::Unavailable, "the worker did not answer in time"),
            Self::Over(failure) => failure.clone(),
        }
    }
}

/// Runs a worker after the other.
struct Supervisor<P: Protocol> {
    name: String,
    program: Program,
    /// What starts a worker.
    setup: P::Setup,
    limits: Limits,
    says: watch::Sender<State<P>>,
    /// Told why, where the first start is the last.
    refuse: Option<oneshot::Sender<WorkerError<P>>>,
    /// Whether one of them served once.
    served: bool,
    /// Starts since then that ended badly after a step that must not be tried again blindly.
    unheard: u32,
}

/// How a worker ended.
enum End<P: Protocol> {
    /// Another may do better, the more so if this one served for a while.
    Again { failure: Failure, served: Option<Duration> },
    /// No other will.
    Final(WorkerError<P>),
}

impl<P: Protocol> Supervisor<P> {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            match self.once().await {
                End::Again { failure, served } => {
                    let delay = backoff.next(served.unwrap_or_default());
                    self.wait(failure, served.is_some(), delay).await;
                }
                End::Final(error) => return self.over(error),
            }
        }
    }

    async fn wait(&self, failure: Failure, served: bool, delay: Duration) {
        tracing::warn!(worker = self.name, %failure, ?delay, "the worker is gone; it is started again");
        let until = Instant::now() + delay;
        self.says.send_replace(match served {
            true => State::Replacing(failure, until),
            false => State::Down(failure, until),
        });

        sleep_until(until).await;
    }

    fn over(&mut self, error: WorkerError<P>) {
        let failure = error.failure();
        tracing::error!(worker = self.name, %failure, "the worker is not started again");
        if let Some(refuse) = self.refuse.take() {
            // Nobody waits for the first start any more where it took too long.
            drop(refuse.send(error));
        }

        self.says.send_replace(State::Over(failure));
    }

    /// One worker, from its start to its end.
    async fn once(&mut self) -> End<P> {
        let (process, socket) = match Process::start(&self.program).await {
            Ok(started) => started,
            Err(error) if self.served => {
                return again(Failure::new(FailureKind::Unavailable, error.to_string()));
            }
            Err(error) => return End::Final(WorkerError::Process(error)),
        };
        let pid = process.pid();

        let mut committed = false;
        let started = match timeout(self.limits.start, self.handshake(socket, &mut committed)).await {
            Ok(started) => started,
            Err(_late) => Err(StartError::Ended("it did not start in time".to_owned())),
        };
        let (incoming, drive) = match started {
            Ok(started) => started,
            Err(error) => return self.not_started(error, committed, &process.end().await),
        };

        tracing::info!(worker = self.name, pid, "the worker serves");
        let up = Instant::now();
        let failure = drive.run(incoming, &self.limits).await;
        self.says.send_replace(State::Replacing(failure.clone(), Instant::now()));
        let status = process.end().await;
        // Credentials that were refused once are refused for good.
        if failure.kind == FailureKind::Credentials {
            return End::Final(WorkerError::Failed(failure));
        }
        let message = format!("{} ({status})", failure.message);
        End::Again { failure: Failure { message, ..failure }, served: Some(up.elapsed()) }
    }

    async fn handshake(
        &mut self,
        socket: StdUnixStream,
        committed: &mut bool,
    ) -> Result<(Incoming, Drive<P>), StartError<P>> {
        socket.set_nonblocking(true).map_err(FrameError::Io)?;
        let (read, mut write) = UnixStream::from_std(socket).map_err(FrameError::Io)?.into_split();
        let mut incoming = Incoming::new(read);

        say(&mut write, &Hello::of::<P>()).await?;
        let Some(hello) = incoming.next::<Hello>().await? else {
            return Err(StartError::Ended("it ended before it said anything".to_owned()));
        };
        if hello != Hello::of::<P>() {
            return Err(StartError::OtherVersion(hello));
        }

        say(&mut write, &ToWorker::<P>::Start(self.setup.clone())).await?;
        let ready = loop {
            match incoming.next::<FromWorker<P>>().await? {
                Some(FromWorker::Committed) => *committed = true,
                Some(FromWorker::Ready(ready)) => break ready,
                Some(FromWorker::Refused(refusal)) => return Err(StartError::Refused(refusal)),
                Some(FromWorker::Answer { .. } | FromWorker::Pong) => {
                    return Err(StartError::Ended("it speaks out of turn".to_owned()));
                }
                None => return Err(StartError::Ended("it ended while it started".to_owned())),
            }
        };

        let (link, drive) = Link::new(write, self.limits.in_flight);
        P::settle(&mut self.setup, &ready);
        (self.served, self.unheard) = (true, 0);
        self.says.send_replace(State::Up(link, ready));
        Ok((incoming, drive))
    }

    fn not_started(&mut self, error: StartError<P>, committed: bool, status: &str) -> End<P> {
        self.unheard += u32::from(committed);
        let may_again = self.served && self.unheard < UNHEARD;

        match error {
            StartError::Refused(refusal) => match refusal.again() {
                Again::Never => End::Final(WorkerError::Refused(refusal)),
                Again::IfItServedBefore if !self.served || committed && !may_again => {
                    End::Final(WorkerError::Refused(refusal))
                }
                Again::IfItServedBefore | Again::Always => again(refusal.failure()),
            },
            StartError::OtherVersion(hello) => {
                let message = format!("the worker speaks another protocol: {hello:?}");
                End::Final(WorkerError::Failed(Failure::new(FailureKind::OperatorNeeded, message)))
            }
            // An unknown outcome counts as the worst. What was done once with success may be done again.
            StartError::Ended(why) if committed && !may_again => {
                let message = format!("{why} ({status}), at a step that must not be tried again blindly");
                End::Final(WorkerError::Failed(Failure::new(FailureKind::OperatorNeeded, message)))
            }
            StartError::Ended(why) => {
                again(Failure::new(FailureKind::Unavailable, format!("{why} ({status})")))
            }
        }
    }
}

/// Why a process that was started does not serve.
enum StartError<P: Protocol> {
    Ended(String),
    OtherVersion(Hello),
    Refused(P::Refusal),
}

impl<P: Protocol> From<FrameError> for StartError<P> {
    fn from(error: FrameError) -> Self {
        Self::Ended(error.to_string())
    }
}

impl<P: Protocol> WorkerError<P> {
    /// What callers get.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Process(error) => {
                let message = format!("the worker's process cannot be started: {error}");
                Failure::new(FailureKind::OperatorNeeded, message)
            }
            Self::Refused(refusal) => refusal.failure(),
            Self::Failed(failure) => failure.clone(),
        }
    }
}

async fn say<T: Serialize>(write: &mut OwnedWriteHalf, value: &T) -> Result<(), FrameError> {
    Ok(write.write_all(&encode(value)?).await?)
}

/// After one that did not serve.
fn again<P: Protocol>(failure: Failure) -> End<P> {
    End::Again { failure, served: None }
}

fn retry(failure: Failure, after: Duration) -> Failure {
    Failure { kind: FailureKind::Unavailable, retry_after: Some(after), ..failure }
}

const SOON: Duration = Duration::from_secs(1);

/// So many starts may end without a word at a step that was done before with success. A login that hangs twice may be for
/// a PIN that was changed meanwhile.
const UNHEARD: u32 = 2;
