//! Holds back refusals of who asks for more than it may: whoever begins again as soon as it is refused would otherwise take
//! with refusals what it was denied as requests.

use std::time::{Duration, Instant};

use keyport_core::Error;
use keyport_core::outside::Outside;
use tokio::sync::Semaphore;

use crate::contract::{Noted, Refusal};

/// How many refusals may be held at once.
#[derive(Debug)]
pub(super) struct Hold(Semaphore);

impl Hold {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(PLACES))
    }

    /// Waits a moment if what was `noted` is that there was too much of something, but not beyond `deadline`.
    pub(super) async fn wait(&self, noted: &Noted, deadline: Instant, outside: &Outside) {
        let Some(Refusal::Failed(Error::Throttled { .. })) = &noted.refusal else { return };
        // Each holds a connection: over the bound, a refusal at once is the cheaper one.
        let Ok(_place) = self.0.try_acquire() else { return };

        outside.clock.sleep_until(deadline.min(outside.clock.now() + MOMENT)).await;
    }
}

/// A tenth of the shortest time that a refusal asks for: nobody is later for it who does as it is told.
const MOMENT: Duration = Duration::from_millis(100);
const PLACES: usize = 256;

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::*;
    use crate::outside::outside;

    fn noted(error: Error) -> Noted {
        Noted { refusal: Some(Refusal::Failed(error)), ..Noted::default() }
    }

    fn throttled() -> Noted {
        noted(Error::Throttled { retry_after: Duration::from_secs(1) })
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_asks_for_too_much_waits_and_never_beyond_its_deadline() {
        let (hold, outside) = (Hold::new(), outside(Handle::current()));
        let begin = outside.clock.now();
        let took = async |noted: &Noted, deadline: Duration| {
            let begin = outside.clock.now();
            hold.wait(noted, begin + deadline, &outside).await;
            outside.clock.now() - begin
        };

        for served in [Noted::default(), noted(Error::KeyNotFound), noted(Error::unavailable("late"))] {
            assert_eq!(took(&served, 10 * MOMENT).await, Duration::ZERO, "{served:?}");
        }
        assert_eq!(outside.clock.now(), begin);
        assert!(took(&throttled(), 10 * MOMENT).await >= MOMENT);
        assert!(took(&throttled(), MOMENT / 10).await < MOMENT / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_held_than_may_be() {
        let (hold, outside) = (Hold(Semaphore::new(1)), outside(Handle::current()));
        let begin = outside.clock.now();
        let noted = throttled();

        let (_, second) = tokio::join!(hold.wait(&noted, begin + MOMENT, &outside), async {
            hold.wait(&noted, begin + MOMENT, &outside).await;
            outside.clock.now()
        });
        assert_eq!(second, begin, "the second does not wait");
    }
}
