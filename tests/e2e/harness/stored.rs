//! What a gateway that has ended left in its store.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use keyport_core::key::{Key, State};
use keyport_core::outside::{Clock, Task, Timestamp};
use keyport_core::store::Reseal;
use keyport_store::Store;

use super::folder::copy;

/// Rows and sealed material.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Every row that is not destroyed.
    pub(crate) keys: Vec<Arc<Key>>,
    /// The key-ids that there is sealed material for.
    pub(crate) sealed: BTreeSet<String>,
}

impl Stored {
    /// Reads the store in `data`, which no process may be using.
    pub(crate) async fn read(data: &Path) -> Self {
        let store = Store::open(data, Arc::new(SystemClock)).await.expect("the store opens");

        let mut keys = Vec::new();
        for tenant in store.keys().tenants().await.expect("tenants") {
            keys.extend(store.keys().list(&tenant).await.expect("rows"));
        }
        let sealed = Arc::<Mutex<BTreeSet<String>>>::default();
        if let Some(mark) = store.sealed().mark().await.expect("a mark") {
            let seen = Arc::clone(&sealed);
            // Sealed again as it is: the one way to be shown all of it.
            let reseal: Box<Reseal> = Box::new(move |_tenant, id, material| {
                seen.lock().expect("not poisoned").insert(id.to_string());
                Ok(material.to_vec())
            });
            store.sealed().reseal(&mark, &*reseal).await.expect("sealed material");
        }
        store.close().await;

        let sealed = sealed.lock().expect("not poisoned").clone();
        Self { keys, sealed }
    }

    /// The same of a copy of `data`: looking at it must not be what mends it.
    pub(crate) async fn of_a_copy(data: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let copied = folder.path().join("data");
        copy(data, &copied);

        Self::read(&copied).await
    }

    /// The key-ids of the rows of keys that are half made, or half destroyed.
    pub(crate) fn half_done(&self) -> BTreeSet<String> {
        self.ids(State::Pending).union(&self.ids(State::Destroying)).cloned().collect()
    }

    /// The key-ids of the rows in `state`.
    pub(crate) fn ids(&self, state: State) -> BTreeSet<String> {
        self.keys.iter().filter(|key| key.state == state).map(|key| key.id.to_string()).collect()
    }
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that others take")]
        std::time::SystemTime::now().into()
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}
