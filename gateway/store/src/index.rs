//! Every row that is of use, in memory, so that looking up a key costs no query.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use keyport_core::key::{Key, KeyId, KeyName, State};
use keyport_core::name::TenantId;

/// The rows that [`Keys::list`](keyport_core::store::Keys::list) shows. It follows the database: whoever writes calls
/// [`Index::put`] after the commit and before the next write begins.
#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<HashMap<TenantId, Rows>>);

/// One tenant's rows.
#[derive(Debug, Default)]
struct Rows {
    by_number: BTreeMap<i64, Arc<Key>>,
    numbers: HashMap<KeyId, i64>,
    active: HashMap<KeyName, Arc<Key>>,
}

/// A row and its number, which says when it was made.
pub(crate) type Numbered = (i64, Key);

impl Index {
    /// Takes the new versions of rows; all become visible at once.
    pub(crate) fn put(&self, keys: impl IntoIterator<Item = Numbered>) {
        let mut tenants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<_> = keys.into_iter().collect();

        for (number, key) in &keys {
            if let Some(rows) = tenants.get_mut(&key.tenant) {
                rows.remove(*number);
            }
        }
        keys.retain(|(_, key)| is_shown(key));
        for (number, key) in keys {
            tenants.entry(key.tenant.clone()).or_default().add(number, Arc::new(key));
        }
    }

    pub(crate) fn active(&self, tenant: &TenantId, name: &KeyName) -> Option<Arc<Key>> {
        self.read().get(tenant)?.active.get(name).cloned()
    }

    pub(crate) fn key(&self, tenant: &TenantId, id: KeyId) -> Option<Arc<Key>> {
        let tenants = self.read();
        let rows = tenants.get(tenant)?;

        rows.by_number.get(rows.numbers.get(&id)?).cloned()
    }

    pub(crate) fn list(&self, tenant: &TenantId) -> Vec<Arc<Key>> {
        self.read().get(tenant).map(|rows| rows.by_number.values().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn tenants(&self) -> Vec<TenantId> {
        let tenants = self.read();
        let with_rows = tenants.iter().filter(|(_, rows)| !rows.by_number.is_empty());

        with_rows.map(|(tenant, _)| tenant.clone()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<TenantId, Rows>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn add(&mut self, number: i64, key: Arc<Key>) {
        self.numbers.insert(key.id, number);
        if key.state == State::Active {
            self.active.insert(key.name.clone(), Arc::clone(&key));
        }
        self.by_number.insert(number, key);
    }

    fn remove(&mut self, number: i64) {
        let Some(key) = self.by_number.remove(&number) else { return };

        self.numbers.remove(&key.id);
        if key.state == State::Active {
            self.active.remove(&key.name);
        }
    }
}

/// Whether a row is still of use: it is not gone, or its going has yet to be recorded.
fn is_shown(key: &Key) -> bool {
    key.state != State::Destroyed || key.event.is_none()
}
