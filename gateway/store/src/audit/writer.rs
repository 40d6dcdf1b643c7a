//! The thread that writes: takes what arrived together, writes it at once, answers everybody.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyport_core::audit::Event;
use keyport_core::outside::Clock;
use keyport_core::{Error, Result};
use tokio::sync::oneshot;

use super::appender::Appender;
use super::chain::Head;

/// What others see of the thread.
#[derive(Debug)]
pub(super) struct Shared {
    durable: Mutex<Head>,
    writable: AtomicBool,
}

/// Something to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Append an event and say where it is.
    Append(Event, oneshot::Sender<Result<u64>>),
    /// Append events one after the other and say where the first is.
    AppendAll(Vec<Event>, oneshot::Sender<Result<u64>>),
    /// Put everything on the disk, and end.
    Close,
}

#[derive(Debug)]
pub(super) struct Writer {
    appender: Appender,
    clock: Arc<dyn Clock>,
    queue: Receiver<Command>,
    shared: Arc<Shared>,
    failure: Option<Failing>,
    events: Vec<Event>,
    /// Who waits for an event, and which of `events` it is.
    waiting: Vec<(usize, oneshot::Sender<Result<u64>>)>,
}

/// The last attempt failed.
#[derive(Debug)]
struct Failing {
    error: Error,
    retry_at: Instant,
    back_off: Duration,
}

/// Says that nothing can be written any more.
struct Closed(Arc<Shared>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.writable.store(false, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn new(durable: Head) -> Self {
        Self { durable: Mutex::new(durable), writable: AtomicBool::new(true) }
    }

    /// The last entry on the disk.
    pub(super) fn durable(&self) -> Head {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the last attempt to write succeeded.
    pub(super) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }
}

impl Writer {
    pub(super) fn new(
        appender: Appender,
        clock: Arc<dyn Clock>,
        queue: Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        let (events, waiting) = (Vec::new(), Vec::new());

        Self { appender, clock, queue, shared, failure: None, events, waiting }
    }

    /// Serves the queue until it is closed.
    pub(super) fn run(mut self) {
        // Stays behind when the thread ends in whatever way.
        let _closed = Closed(Arc::clone(&self.shared));

        while self.serve() {}

        let done = self.appender.close();
        self.note(done).unwrap_or_default();
    }

    /// Does what comes next; `false` at the end.
    fn serve(&mut self) -> bool {
        match self.wait() {
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => {
                self.attend();
                true
            }
            Ok(command) => {
                let goes_on = self.gather(command);
                self.write();
                goes_on
            }
        }
    }

    fn wait(&self) -> Result<Command, RecvTimeoutError> {
        let retry_at = self.failure.as_ref().map(|failure| failure.retry_at);

        match retry_at.or_else(|| self.appender.sync_due()) {
            None => Ok(self.queue.recv()?),
            Some(due) => self.queue.recv_timeout(due.saturating_duration_since(self.clock.now())),
        }
    }

    /// Takes everything that is in the queue; `false` where the log is to be closed after it.
    fn gather(&mut self, first: Command) -> bool {
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Close => return false,
                Command::Append(event, answer) => {
                    self.waiting.push((self.events.len(), answer));
                    self.events.push(event);
                }
                Command::AppendAll(events, answer) => {
                    self.waiting.push((self.events.len(), answer));
                    self.events.extend(events);
                }
            }
            next = if self.events.len() < TOGETHER { self.queue.try_recv().ok() } else { None };
        }

        true
    }

    fn write(&mut self) {
        let now = self.clock.now();
        let answer = match &self.failure {
            Some(failure) if now < failure.retry_at => Err(failure.error.clone()),
            _ => {
                let done = self.appender.append(self.events.iter());
                self.note(done)
            }
        };
        self.events.clear();
        for (place, waiting) in self.waiting.drain(..) {
            let place = u64::try_from(place).unwrap_or(u64::MAX);
            // Whoever does not wait any more needs no answer.
            waiting.send(answer.clone().map(|first| first.saturating_add(place))).unwrap_or_default();
        }

        if self.appender.must_sync(now) {
            self.attend();
        }
    }

    /// What is due without being asked for: an fsync, or another attempt after a failure.
    fn attend(&mut self) {
        let done = match &self.failure {
            Some(failure) if self.clock.now() < failure.retry_at => return,
            Some(_) => self.appender.make_room(),
            None => self.appender.sync(),
        };

        // Where it failed, the failure is kept for those who ask next.
        self.note(done).unwrap_or_default();
    }

    /// Keeps in mind how it went.
    fn note<T>(&mut self, done: io::Result<T>) -> Result<T> {
        *self.shared.durable.lock().unwrap_or_else(PoisonError::into_inner) = self.appender.durable();
        self.shared.writable.store(done.is_ok(), Ordering::Relaxed);

        match done {
            Ok(done) => {
                if self.failure.take().is_some() {
                    tracing::info!("the audit log can be written again");
                }
                Ok(done)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: io::Error) -> Error {
        if self.failure.is_none() {
            tracing::error!(%error, "the audit log cannot be written, so nothing is signed");
        }

        let error = Error::unavailable(error);
        let back_off =
            self.failure.as_ref().map_or(BACK_OFF_FIRST, |last| (last.back_off * 2).min(BACK_OFF_MOST));
        let retry_at = self.clock.now() + back_off;
        self.failure = Some(Failing { error: error.clone(), retry_at, back_off });
        error
    }
}

/// How many entries at most share a write.
const TOGETHER: usize = 4096;

/// For how long the log does not try again after the first failure.
const BACK_OFF_FIRST: Duration = Duration::from_millis(20);

/// For how long it does not after many.
const BACK_OFF_MOST: Duration = Duration::from_secs(1);
