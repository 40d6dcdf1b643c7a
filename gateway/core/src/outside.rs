//! Ports to what a program cannot know by itself: time, randomness, and a place to run tasks.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

/// A boxed future that returns nothing.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Reads clocks and waits for them.
pub trait Clock: Debug + Send + Sync {
    /// The monotonic clock, for deadlines.
    fn now(&self) -> Instant;

    /// The wall clock, for records.
    fn wall(&self) -> Timestamp;

    /// Completes at `deadline`.
    fn sleep_until(&self, deadline: Instant) -> Task;
}

/// A cryptographically secure source of randomness.
pub trait Random: Debug + Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Runs tasks that nobody waits for.
pub trait Tasks: Debug + Send + Sync {
    /// Starts `task`; it runs to its end whatever becomes of the caller.
    fn spawn(&self, task: Task);
}

/// The three together, as they are handed in.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// A place to run tasks.
    pub tasks: Arc<dyn Tasks>,
}

impl Outside {
    /// Waits for `work` until `deadline`; `None` when that comes first. Work that need not wait costs no timer.
    pub async fn within<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let at_once = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(done) = at_once.await {
            return Some(done);
        }

        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.clock.sleep_until(deadline) => None,
        }
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment `later` than this one.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// As the standard library has it.
    #[must_use]
    pub fn system_time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

impl From<SystemTime> for Timestamp {
    /// Times before 1970 become 1970.
    fn from(time: SystemTime) -> Self {
        Self(0).plus(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}
