//! Asks a custodian again that cannot say yet.

use std::time::{Duration, Instant};

use crate::failure::{Failure, FailureKind};
use crate::outside::Clock;

/// What comes of `attempt`, which is made again where that may come to something, ever later and until `deadline`: a custodian may
/// still make, or not list yet, what it was asked for a moment ago.
pub(crate) async fn settled<T, F>(
    clock: &dyn Clock,
    deadline: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut pause = FIRST;
    loop {
        let outcome = attempt().await;
        let next = clock.now() + pause;
        if next >= deadline || !outcome.as_ref().is_err_and(may_settle) {
            return outcome;
        }

        clock.sleep_until(next).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Whether the same question may have another answer later.
pub(crate) fn may_settle(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Throttled | FailureKind::Unavailable)
}

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::testing::World;

    /// How often is asked within a minute what is `unavailable` so often and then fails so, and how that ends.
    async fn asked(unavailable: u32, then: FailureKind) -> (u32, FailureKind) {
        let (world, count) = (World::new(), Cell::new(0));
        let deadline = world.clock.now() + Duration::from_secs(60);
        let attempt = || {
            count.set(count.get() + 1);
            let kind = if count.get() > unavailable { then } else { FailureKind::Unavailable };
            std::future::ready(Err::<(), _>(Failure::new(kind, "no")))
        };

        let ended = settled(&*world.clock, deadline, attempt).await.unwrap_err();
        assert!(world.clock.now() < deadline);
        (count.get(), ended.kind)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unavailable_is_asked_again_until_it_is_told_and_no_longer() {
        assert_eq!(asked(0, FailureKind::Denied).await, (1, FailureKind::Denied));
        assert_eq!(asked(3, FailureKind::Denied).await, (4, FailureKind::Denied));

        let (times, kind) = asked(u32::MAX, FailureKind::Denied).await;
        assert!((10..30).contains(&times) && kind == FailureKind::Unavailable, "{times} {kind:?}");
    }
}
