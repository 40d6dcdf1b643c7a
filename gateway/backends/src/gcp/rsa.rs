//! How RSA keys sign, once the service has said it: that never changes.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::algorithm::Algorithm;

/// The algorithms of the RSA keys that signed last, by what the service calls them.
#[derive(Debug)]
pub(super) struct Algorithms(Mutex<LruCache<String, Algorithm>>);

impl Algorithms {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(ROOM)))
    }

    pub(super) fn get(&self, name: &str) -> Option<Algorithm> {
        self.cache().get(name).copied()
    }

    pub(super) fn put(&self, name: &str, algorithm: Algorithm) {
        self.cache().put(name.to_owned(), algorithm);
    }

    pub(super) fn forget(&self, name: &str) {
        self.cache().pop(name);
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<String, Algorithm>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A few hundred bytes each.
const ROOM: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
