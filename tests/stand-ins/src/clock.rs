//! The time where the services are.

use std::time::SystemTime;

/// The time here: a stand-in is another machine, with a clock of its own.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a clock of its own")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}
