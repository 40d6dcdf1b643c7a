//! Unsealed keys, as many as the bound allows; which of them a destruction has made unfit to keep.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyport_core::key::KeyId;
use keyport_core::name::TenantId;
use lru::LruCache;

use super::material::Material;

/// Where a key's sealed material lies in the store.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Slot {
    pub(super) tenant: TenantId,
    pub(super) key_id: KeyId,
}

/// The keys that were used last.
///
/// A destroyed key must not come back, though somebody may have read its material before it was erased and want to
/// keep it afterwards. So a destruction begins with [`Cache::condemn`], after which the key is not kept, and ends
/// with [`Cache::bury`], which makes void every [`Reading`] that was begun before. A destruction that broke off
/// leaves the key condemned: it is then read from the store each time, until a later one ends.
pub(super) struct Cache {
    kept: Mutex<Kept>,
}

/// A moment before the store was read: what was read then may be kept only while nothing was buried since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    burials: u64,
}

struct Kept {
    materials: LruCache<Slot, Arc<Material>>,
    condemned: HashSet<Slot>,
    burials: u64,
}

impl Cache {
    /// Keeps up to `bound` keys.
    pub(super) fn new(bound: NonZeroUsize) -> Self {
        Self {
            kept: Mutex::new(Kept { materials: LruCache::new(bound), condemned: HashSet::new(), burials: 0 }),
        }
    }

    pub(super) fn get(&self, slot: &Slot) -> Option<Arc<Material>> {
        self.lock().materials.get(slot).cloned()
    }

    /// To be called before the store is read.
    pub(super) fn reading(&self) -> Reading {
        Reading { burials: self.lock().burials }
    }

    /// Keeps what was read or made since `reading`, if it still may be kept.
    pub(super) fn keep(&self, reading: Reading, slot: Slot, material: Arc<Material>) {
        let mut kept = self.lock();
        if kept.burials == reading.burials && !kept.condemned.contains(&slot) {
            let pushed_out = kept.materials.push(slot, material);
            // Freeing a key wipes it, which need not happen under the lock.
            drop(kept);
            drop(pushed_out);
        }
    }

    /// Drops a key and does not keep it again until it is buried.
    pub(super) fn condemn(&self, slot: &Slot) {
        let mut kept = self.lock();
        kept.condemned.insert(slot.clone());
        let dropped = kept.materials.pop(slot);
        drop(kept);
        drop(dropped);
    }

    /// To be called once a condemned key's material is erased.
    pub(super) fn bury(&self, slot: &Slot) {
        let mut kept = self.lock();
        kept.condemned.remove(slot);
        kept.burials = kept.burials.wrapping_add(1);
    }

    /// Nothing that runs under the lock can panic halfway, so what a poisoned lock guards is sound.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("keys", &self.lock().materials.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use keyport_core::scheme::KeyType;

    use super::*;

    fn slot(tenant: &str, digit: char) -> Slot {
        Slot {
            tenant: tenant.parse().unwrap(),
            key_id: std::iter::repeat_n(digit, 32).collect::<String>().parse().unwrap(),
        }
    }

    fn material() -> Arc<Material> {
        Arc::new(Material::generate(KeyType::Ed25519).unwrap())
    }

    fn cache(bound: usize) -> Cache {
        Cache::new(NonZeroUsize::new(bound).unwrap())
    }

    #[test]
    fn the_key_that_was_not_used_longest_makes_room() {
        let cache = cache(2);
        for digit in ['1', '2'] {
            cache.keep(cache.reading(), slot("a", digit), material());
        }
        assert!(cache.get(&slot("a", '1')).is_some());

        cache.keep(cache.reading(), slot("a", '3'), material());
        assert!(cache.get(&slot("a", '1')).is_some());
        assert!(cache.get(&slot("a", '2')).is_none());
    }

    #[test]
    fn a_key_is_kept_for_its_tenant_only() {
        let cache = cache(2);
        cache.keep(cache.reading(), slot("a", '1'), material());

        assert!(cache.get(&slot("b", '1')).is_none());
    }

    #[test]
    fn what_was_read_before_a_burial_is_not_kept_after_it() {
        let cache = cache(2);
        let reading = cache.reading();
        cache.condemn(&slot("a", '1'));
        cache.keep(reading, slot("a", '1'), material());
        assert!(cache.get(&slot("a", '1')).is_none());

        cache.bury(&slot("a", '1'));
        cache.keep(reading, slot("a", '1'), material());
        assert!(cache.get(&slot("a", '1')).is_none());
    }

    #[test]
    fn a_condemned_key_is_gone_at_once_and_others_stay() {
        let cache = cache(2);
        for digit in ['1', '2'] {
            cache.keep(cache.reading(), slot("a", digit), material());
        }

        cache.condemn(&slot("a", '1'));
        cache.keep(cache.reading(), slot("a", '1'), material());
        assert!(cache.get(&slot("a", '1')).is_none());
        assert!(cache.get(&slot("a", '2')).is_some());
    }
}
