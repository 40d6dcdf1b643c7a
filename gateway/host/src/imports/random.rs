//! The import `random`.

use crate::bindings::random::Host;
use crate::guest::State;

impl Host for State {
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let count = usize::try_from(count).ok().filter(|count| *count <= MOST).ok_or(TooMany)?;

        let mut bytes = vec![0; count];
        self.guest.outside.random.fill(&mut bytes);
        Ok(bytes)
    }
}

/// A guest asked for more random bytes than it may at a time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {MOST} random bytes at a time")]
struct TooMany;

/// Random bytes at a time, as the WIT package says.
const MOST: usize = 4096;
