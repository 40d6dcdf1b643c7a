//! What a call uses: CPU time, and functions of the host.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::engine::TICK;

/// The CPU time that one call has used, and the functions of the host that it has called.
#[derive(Debug)]
pub(crate) struct Meter {
    precision: Precision,
    /// Nanoseconds used until the call was last suspended.
    used: AtomicU64,
    /// The running thread's CPU time when the call was last resumed, in nanoseconds.
    resumed: AtomicU64,
    host_calls: AtomicU64,
}

/// How CPU time is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Precision {
    /// By the thread's clock, which is two system calls.
    Exact,
    /// By ticks of the epoch: one for each that finds the call running, or that it waited through.
    Ticks,
}

impl Meter {
    pub(crate) fn new(precision: Precision) -> Self {
        Self { precision, used: AtomicU64::new(0), resumed: AtomicU64::new(0), host_calls: AtomicU64::new(0) }
    }

    /// Counts a call of a function of the host.
    pub(crate) fn host_called(&self) {
        self.host_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// How many functions of the host were called.
    pub(crate) fn host_calls(&self) -> u64 {
        self.host_calls.load(Ordering::Relaxed)
    }

    /// What a suspended or finished call has used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// What the call that is running on this very thread has used, now that the epoch has ticked.
    pub(crate) fn tick(&self) -> Duration {
        match self.precision {
            Precision::Exact => {
                self.used() + Duration::from_nanos(cpu().saturating_sub(self.resumed.load(Ordering::Relaxed)))
            }
            Precision::Ticks => {
                self.add(nanoseconds(TICK));
                self.used()
            }
        }
    }

    /// Runs `work` and counts what it uses.
    pub(crate) async fn metered<T>(&self, work: impl Future<Output = T>) -> T {
        if self.precision == Precision::Ticks {
            return work.await;
        }

        let mut work = pin!(work);
        poll_fn(|context| {
            let resumed = cpu();
            self.resumed.store(resumed, Ordering::Relaxed);
            let polled = work.as_mut().poll(context);
            self.add(cpu().saturating_sub(resumed));
            polled
        })
        .await
    }

    fn add(&self, nanoseconds: u64) {
        self.used.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

/// The CPU time of this thread, in nanoseconds.
fn cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, rest) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));

    nanoseconds(Duration::new(seconds.unwrap_or_default(), rest.unwrap_or_default()))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
