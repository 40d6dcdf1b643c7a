//! The one door for work that blocks or computes for long: bounded in number and in time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use keyport_core::{Failure, FailureKind};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

/// Lets a bounded number of pieces of work run at once, each on a thread where it may block.
#[derive(Clone, Debug)]
pub struct Door {
    permits: Arc<Semaphore>,
}

impl Door {
    /// A door through which `width` pieces of work fit at once.
    #[must_use]
    pub fn new(width: NonZeroUsize) -> Self {
        Self { permits: Arc::new(Semaphore::new(width.get().min(Semaphore::MAX_PERMITS))) }
    }

    /// Runs `work` and waits for it until `deadline`.
    ///
    /// [`FailureKind::Unavailable`] when the deadline comes first: work that had not started never does, work that
    /// had goes on to its end, and its result is dropped. [`FailureKind::Internal`] when it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let call = async {
            let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(broken)?;

            // The permit moves into the thread: what outlives its deadline still holds its place, so work that
            // hangs cannot take one thread after the other.
            spawn_blocking(move || {
                let _permit = permit;
                work()
            })
            .await
            .map_err(broken)
        };

        timeout_at(deadline.into(), call).await.map_err(|late| {
            Failure::new(FailureKind::Unavailable, format!("work was not done in time: {late}"))
        })?
    }
}

fn broken(error: impl std::error::Error) -> Failure {
    Failure::new(FailureKind::Internal, format!("work was not done: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time;

    use super::*;

    fn door() -> Door {
        Door::new(NonZeroUsize::MIN)
    }

    fn soon() -> Instant {
        time::Instant::now().into_std() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn work_returns_its_result() {
        assert_eq!(door().run(soon(), || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_frees_the_place() {
        let door = door();

        assert_eq!(door.run(soon(), || panic!("boom")).await.unwrap_err().kind, FailureKind::Internal);
        assert!(door.run(soon(), || ()).await.is_ok());
    }

    #[tokio::test]
    async fn work_that_hangs_keeps_its_place_beyond_its_deadline() {
        let door = door();
        let (release, hang) = mpsc::channel::<()>();
        let late = time::Instant::now().into_std() + Duration::from_millis(20);

        let hung = door.run(late, move || hang.recv()).await;
        assert_eq!(hung.unwrap_err().kind, FailureKind::Unavailable);
        assert_eq!(door.permits.available_permits(), 0);

        let late = time::Instant::now().into_std() + Duration::from_millis(20);
        assert_eq!(door.run(late, || ()).await.unwrap_err().kind, FailureKind::Unavailable);

        drop(release);
        assert!(door.run(soon(), || ()).await.is_ok());
    }
}
