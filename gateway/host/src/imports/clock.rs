//! The import `clock`.

use crate::bindings::clock::Host;
use crate::guest::State;

impl Host for State {
    fn now(&mut self) -> u64 {
        self.guest.outside.clock.wall().0
    }
}
