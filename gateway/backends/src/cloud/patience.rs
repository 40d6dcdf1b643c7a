//! Waits for what a service does by itself.

use std::time::{Duration, Instant};

use keyport_core::Failure;

/// Waits between two looks at something that comes about: ever longer, and never beyond a deadline.
#[derive(Debug)]
pub(crate) struct Patience {
    pause: Duration,
    deadline: Instant,
}

impl Patience {
    /// So long, and no longer.
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { pause: FIRST, deadline }
    }

    /// Waits for a while. Where that would end past the deadline, `failure` is what came of it, at once.
    pub(crate) async fn wait(&mut self, failure: Failure) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + self.pause;
        if until.into_std() >= self.deadline {
            return Err(failure);
        }

        tokio::time::sleep_until(until).await;
        self.pause = (self.pause * 2).min(LONGEST);
        Ok(())
    }
}

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use keyport_core::FailureKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_waits_ever_longer_and_not_beyond_the_deadline() {
        let began = tokio::time::Instant::now();
        let mut patience = Patience::until(began.into_std() + Duration::from_secs(10));
        let failure = || Failure::new(FailureKind::Unavailable, "not yet");

        let mut pauses = Vec::new();
        let mut last = began;
        while patience.wait(failure()).await.is_ok() {
            pauses.push(last.elapsed());
            last = tokio::time::Instant::now();
        }

        assert!(pauses.is_sorted() && pauses.first() < pauses.last(), "{pauses:?}");
        assert!(pauses.len() > 6 && began.elapsed() < Duration::from_secs(10), "{pauses:?}");
    }
}
