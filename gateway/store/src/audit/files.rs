//! The audit log as core sees it.

use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use keyport_core::audit::{AuditLog, Event};
use keyport_core::outside::Clock;
use keyport_core::{Error, Result};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::oneshot;

use super::chain::Head;
use super::findings::Recovery;
use super::folder::Folder;
use super::recovery::resume;
use super::writer::{Command, Shared, Writer};
use super::{Options, appender::Appender};

/// Implements core's port; the thread that writes ends with [`AuditFiles::close`], or when this is dropped.
#[derive(Debug)]
pub(crate) struct AuditFiles {
    queue: SyncSender<Command>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AuditFiles {
    /// Opens the log in the folder at `path`, and repairs what a crash left. `saved` is the head that the store has.
    /// Blocks.
    pub(crate) fn open(
        path: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        saved: Option<Head>,
    ) -> io::Result<(Self, Recovery)> {
        Self::open_in(Folder::open(path)?, options, clock, saved)
    }

    pub(super) fn open_in(
        folder: Folder,
        options: Options,
        clock: Arc<dyn Clock>,
        saved: Option<Head>,
    ) -> io::Result<(Self, Recovery)> {
        let (end, findings) = resume(&folder, saved, clock.now())?;
        let mut appender = Appender::new(folder, options, Arc::clone(&clock), end);
        let recovery = findings.record(&mut appender, clock.wall())?;

        let shared = Arc::new(Shared::new(appender.durable()));
        let (queue, received) = sync_channel(QUEUE);
        let writer = Writer::new(appender, clock, received, Arc::clone(&shared));
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(|| {
            do_not_preempt();
            writer.run();
        })?;

        Ok((Self { queue, shared, thread: Mutex::new(Some(thread)) }, recovery))
    }

    /// The last entry that is on the disk.
    pub(crate) fn durable(&self) -> Head {
        self.shared.durable()
    }

    /// Puts everything on the disk and ends; what is appended later is refused. Blocks.
    pub(crate) fn close(&self) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };

        // Refused only where the thread has ended already.
        if self.queue.send(Command::Close).is_ok() && thread.join().is_err() {
            tracing::error!("the audit log's thread panicked");
        }
    }
}

impl AuditFiles {
    /// Sends the writing thread something to do, and waits for its answer.
    async fn order(&self, command: impl FnOnce(oneshot::Sender<Result<u64>>) -> Command) -> Result<u64> {
        let (answer, written) = oneshot::channel();
        self.queue.try_send(command(answer)).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::unavailable(Refused::Full),
            TrySendError::Disconnected(_) => Error::unavailable(Refused::Closed),
        })?;

        written.await.unwrap_or_else(|_ended| Err(Error::unavailable(Refused::Closed)))
    }
}

#[async_trait]
impl AuditLog for AuditFiles {
    async fn append(&self, event: Event) -> Result<u64> {
        self.order(|answer| Command::Append(event, answer)).await
    }

    async fn append_all(&self, events: Vec<Event>) -> Result<u64> {
        self.order(|answer| Command::AppendAll(events, answer)).await
    }

    fn is_writable(&self) -> bool {
        self.shared.is_writable()
    }
}

/// Has this thread wait for its turn instead of preempting whoever wakes it (sched(7), `SCHED_BATCH`).
///
/// Where all processors are busy, more operations then end before an fsync begins, and share it: with 64 callers and
/// one processor a signature costs a quarter less. Where one is idle, nothing changes.
fn do_not_preempt() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let Ok(ordinary) = ORDINARY.try_into().map(ThreadPriority::Crossplatform) else { return };

    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ordinary, policy) {
        tracing::debug!(?error, "the audit log's thread is scheduled as any other");
    }
}

/// Why an event was not even tried.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Refused {
    #[error("the audit log's queue is full: the disk is too slow")]
    Full,
    #[error("the audit log is closed")]
    Closed,
}

/// Niceness 0 on the scale of 0 (niceness 19) to 99 (niceness -20).
const ORDINARY: u8 = 47;

/// How many events may wait to be written.
const QUEUE: usize = 4096;
