//! The import `random`.

use crate::bindings::random::Host;
use crate::guest::State;

impl Host for State {
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        Ok(self.random(count.into(), MOST)?)
    }
}

impl State {
    /// So many random bytes, if that is not more than `most`.
    pub(crate) fn random(&self, count: u64, most: u64) -> Result<Vec<u8>, TooMany> {
        let allowed = usize::try_from(count).ok().filter(|_| count <= most);

        let mut bytes = vec![0; allowed.ok_or(TooMany { most })?];
        self.guest.outside.random.fill(&mut bytes);
        Ok(bytes)
    }
}

/// A guest asked for more random bytes than it may at a time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {most} random bytes at a time")]
pub(crate) struct TooMany {
    most: u64,
}

/// Random bytes at a time, as the WIT package says.
const MOST: u64 = 4096;
