//! Threads of their own for guests that are not trusted, at a lower priority than everything else.
//!
//! What compiles has a low priority ([`NICE`]), what runs guests the lowest: it gets a processor when nothing else of the
//! gateway wants it. Niceness alone does not do. A thread that asks not to preempt others, as the one does that writes the
//! audit log (sched(7), `SCHED_BATCH`), would wait for the whole time slice of a guest that loops, however nice; only
//! `SCHED_IDLE` gives way to it at once. Where the gateway has a control group of its own, as a service or a container
//! has, that is measured against the gateway's own threads and nobody else's.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use keyport_core::{Failure, FailureKind};
use rustix::process::setpriority_process;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The threads. Dropping them ends what runs there at its next suspension.
#[derive(Debug)]
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// Starts `count` threads.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(count.max(1))
            .max_blocking_threads(BLOCKING)
            .thread_name("keyport-guest")
            .thread_stack_size(STACK)
            .on_thread_start(yield_to_others)
            // Backends wait on these threads too.
            .enable_all()
            .build()?;

        Ok(Self(Some(runtime)))
    }

    /// Runs `work` there. Dropping the returned future ends the work and drops it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let runtime = self.0.as_ref().ok_or_else(stopped)?;
        let mut work = Box::pin(work);
        let work = poll_fn(move |context| {
            give_way();
            work.as_mut().poll(context)
        });

        Running(runtime.spawn(work)).await
    }

    /// Runs `work`, which blocks or computes for long, there. It cannot be ended before it is done.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let runtime = self.0.as_ref().ok_or_else(stopped)?;

        Running(runtime.spawn_blocking(work)).await
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A task that ends with its future.
struct Running<T>(JoinHandle<T>);

impl<T> Future for Running<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map_err(|error| Failure::new(FailureKind::Internal, format!("a guest's task ended: {error}")))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Lowers the priority of this thread. On Linux a nice value belongs to a thread, and anybody may raise their own
/// (setpriority(2)).
fn yield_to_others() {
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::warn!(%error, "the threads of guests run at full priority");
    }
}

/// Has this thread run when nothing else wants to (sched(7), `SCHED_IDLE`). Done when a guest comes to run on it, so that
/// those which compile, and may not come back from there, stay as they are.
fn give_way() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if GIVES_WAY.replace(true) {
        return;
    }

    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::warn!(?error, "guests run at the priority of what compiles them");
    }
}

thread_local! {
    /// Whether this thread gives way already, or could not be made to.
    static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
}

fn stopped() -> Failure {
    Failure::new(FailureKind::Unavailable, "the host is stopping")
}

/// What compiles gets about a tenth of what a busy thread of the front gets.
pub(crate) const NICE: i32 = 10;

/// Compilations at a time, and blocking calls of backends made from these threads.
const BLOCKING: usize = 64;

/// Bytes of stack for a thread: the compiler recurses over what it is given.
const STACK: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_gives_way_when_a_guest_runs_on_it_and_not_while_it_compiles() {
        let threads = Threads::start(1).unwrap();
        let policy = || thread_priority::thread_schedule_policy().unwrap();

        let guest = threads.run(async move { policy() }).await.unwrap();
        let compiling = threads.block(policy).await.unwrap();

        assert_eq!(guest, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
        assert_eq!(compiling, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other));
    }

    /// As a compiler does that meets what it did not expect.
    #[tokio::test]
    async fn work_that_panics_is_a_failure_and_the_threads_stay() {
        let threads = Threads::start(1).unwrap();

        let failure = threads.block(|| -> u32 { panic!("unexpected") }).await.unwrap_err();

        assert_eq!(failure.kind, FailureKind::Internal);
        assert_eq!(threads.block(|| 7).await.unwrap(), 7);
    }
}
