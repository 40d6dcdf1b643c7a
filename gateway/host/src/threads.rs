//! Threads of their own for guests that are not trusted, at a lower priority than everything else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use keyport_core::{Failure, FailureKind};
use rustix::process::setpriority_process;
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

fn stopped() -> Failure {
    Failure::new(FailureKind::Unavailable, "the host is stopping")
}

/// A busy guest gets about a tenth of what a busy thread of the front gets.
pub(crate) const NICE: i32 = 10;

/// Compilations at a time, and blocking calls of backends made from these threads.
const BLOCKING: usize = 64;

/// Bytes of stack for a thread: the compiler recurses over what it is given.
const STACK: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// As a compiler does that meets what it did not expect.
    #[tokio::test]
    async fn work_that_panics_is_a_failure_and_the_threads_stay() {
        let threads = Threads::start(1).unwrap();

        let failure = threads.block(|| -> u32 { panic!("unexpected") }).await.unwrap_err();

        assert_eq!(failure.kind, FailureKind::Internal);
        assert_eq!(threads.block(|| 7).await.unwrap(), 7);
    }
}
