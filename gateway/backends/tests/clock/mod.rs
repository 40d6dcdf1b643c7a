//! A clock that can be wrong.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keyport_core::outside::{Clock, Task, Timestamp};
use keyport_stand_ins::wall;

/// A clock that is ahead.
#[derive(Debug, Default)]
pub(crate) struct Ahead(pub(crate) Arc<Mutex<Duration>>);

impl Clock for Ahead {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from(wall() + *self.0.lock().unwrap())
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}
