//! Public halves that a service has told once: they never change.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyport_core::key::NativeId;
use keyport_core::public_key::PublicKey;
use lru::LruCache;

/// The public halves that were asked for last.
#[derive(Debug)]
pub(crate) struct Publics(Mutex<LruCache<NativeId, PublicKey>>);

impl Publics {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(ROOM)))
    }

    pub(crate) fn get(&self, native_id: &NativeId) -> Option<PublicKey> {
        self.cache().get(native_id).cloned()
    }

    pub(crate) fn put(&self, native_id: NativeId, public: PublicKey) {
        self.cache().put(native_id, public);
    }

    pub(crate) fn forget(&self, native_id: &NativeId) {
        self.cache().pop(native_id);
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<NativeId, PublicKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At half a kilobyte each, a few megabytes.
const ROOM: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
