//! `wasi:clocks`: the gateway's time, as coarse as the import `clock`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_core::outside::Clock;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::guest::State;

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(Duration::from_millis(self.guest.outside.clock.wall().0)))
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(RESOLUTION))
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let whole = self.since_it_began().as_millis();

        Ok(nanoseconds(Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX))))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(RESOLUTION))
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(Duration::from_nanos(when))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let when = self.since_it_began().saturating_add(Duration::from_nanos(duration));

        self.sleep(when)
    }
}

impl State {
    fn since_it_began(&mut self) -> Duration {
        let now = self.guest.outside.clock.now();

        now.saturating_duration_since(self.of_wasi().began)
    }

    /// Something that is ready once the clock shows `when`. It shows no part of a millisecond, and whether something is
    /// ready must not show one either.
    fn sleep(&mut self, when: Duration) -> wasmtime::Result<Resource<DynPollable>> {
        let clock = Arc::clone(&self.guest.outside.clock);
        let wasi = self.of_wasi();
        let milliseconds = u64::try_from(when.as_nanos().div_ceil(RESOLUTION.as_nanos())).unwrap_or(u64::MAX);
        let until = wasi.began.checked_add(Duration::from_millis(milliseconds));

        let sleep = wasi.held.push(Sleep { clock, until })?;
        subscribe(&mut wasi.held, sleep)
    }
}

/// Ready from a time on; never, where that is too far away to be said.
struct Sleep {
    clock: Arc<dyn Clock>,
    until: Option<Instant>,
}

#[async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        match self.until {
            Some(until) if self.clock.now() >= until => {}
            Some(until) => self.clock.sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

fn datetime(time: Duration) -> wall_clock::Datetime {
    wall_clock::Datetime { seconds: time.as_secs(), nanoseconds: time.subsec_nanos() }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const RESOLUTION: Duration = Duration::from_millis(1);
