//! How long nobody shows credentials again after they were refused.

use std::time::{Duration, Instant};

use keyport_core::Failure;

/// Credentials that were refused. The service may lock out who shows such too often; who mends them waits a minute at most.
#[derive(Debug)]
pub(crate) struct Setback {
    failure: Failure,
    times: u32,
    until: Instant,
}

impl Setback {
    /// The one that follows `last`, and lasts longer.
    pub(crate) fn after(last: Option<Self>, failure: &Failure) -> Self {
        let times = last.map_or(0, |last| last.times.saturating_add(1));

        Self {
            failure: failure.clone(),
            times,
            until: now() + FIRST.saturating_mul(1 << times.min(8)).min(LONGEST),
        }
    }

    /// Why it is too early to ask again; `None` where it is not.
    pub(crate) fn lasts(&self) -> Option<Failure> {
        (now() < self.until).then(|| self.failure.clone())
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How long nobody asks after a refusal, the first time and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use keyport_core::FailureKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_each_refusal_nobody_tries_for_longer() {
        let failure = Failure::new(FailureKind::Credentials, "no");
        let mut setback = None;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let next = Setback::after(setback.take(), &failure);
            waits.push((next.until - now()).as_secs());
            setback = Some(next);
        }

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_until_its_end_and_no_longer() {
        let setback = Setback::after(None, &Failure::new(FailureKind::Credentials, "no"));
        assert_eq!(setback.lasts().unwrap().message, "no");

        tokio::time::advance(FIRST).await;

        assert!(setback.lasts().is_none());
    }
}
