//! The world outside, as the core wants it: tokio's clock and tasks, aws-lc's randomness.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use keyport_core::outside::{Clock, Outside, Random, Task, Tasks, Timestamp};
use tokio::runtime::Handle;

/// Time, randomness and a place for tasks, of this process and this runtime.
pub(crate) fn outside(runtime: Handle) -> Outside {
    Outside {
        clock: Arc::new(TokioClock),
        random: Arc::new(AwsLcRandom),
        tasks: Arc::new(TokioTasks(runtime)),
    }
}

/// The machine's clocks; the monotonic one stands still where tokio's does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that others take")]
        SystemTime::now().into()
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}

/// The random generator that makes the keys, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AwsLcRandom;

impl Random for AwsLcRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // Predictable key-ids and tokens would be worse than no gateway.
        #[expect(
            clippy::expect_used,
            reason = "aws-lc itself ends the process where the system gives no entropy"
        )]
        aws_lc_rs::rand::fill(bytes).expect("randomness");
    }
}

#[derive(Clone, Debug)]
struct TokioTasks(Handle);

impl Tasks for TokioTasks {
    fn spawn(&self, task: Task) {
        drop(self.0.spawn(task));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_waits_as_long_as_it_is_told() {
        let outside = outside(Handle::current());
        let start = outside.clock.now();

        outside.clock.sleep_until(start + Duration::from_secs(3600)).await;
        assert!(outside.clock.now() >= start + Duration::from_secs(3600));
    }

    #[tokio::test]
    async fn random_bytes_differ() {
        let outside = outside(Handle::current());
        let (mut one, mut other) = ([0; 32], [0; 32]);
        outside.random.fill(&mut one);
        outside.random.fill(&mut other);

        assert_ne!(one, other);
    }
}
