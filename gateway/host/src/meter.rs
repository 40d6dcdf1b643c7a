//! CPU time, call by call.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time that one call has used, on whichever threads it ran. What it waited for does not count.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds used until the call was last suspended.
    used: AtomicU64,
    /// The running thread's CPU time when the call was last resumed, in nanoseconds.
    resumed: AtomicU64,
}

impl Meter {
    /// What a suspended or finished call has used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// What the call that is running on this very thread has used.
    pub(crate) fn running(&self) -> Duration {
        self.used() + Duration::from_nanos(cpu().saturating_sub(self.resumed.load(Ordering::Relaxed)))
    }

    /// Runs `work` and counts what it uses.
    pub(crate) async fn metered<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);

        poll_fn(|context| {
            let resumed = cpu();
            self.resumed.store(resumed, Ordering::Relaxed);
            let polled = work.as_mut().poll(context);
            self.used.fetch_add(cpu().saturating_sub(resumed), Ordering::Relaxed);
            polled
        })
        .await
    }
}

/// The CPU time of this thread, in nanoseconds.
fn cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or_default();

    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
