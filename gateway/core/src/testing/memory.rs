//! The other ports: rows and events in memory, a clock that can be set, and what a runtime gives.

use super::*;

/// Rows in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryKeys(pub(crate) Mutex<Vec<Key>>);

#[async_trait]
impl Keys for MemoryKeys {
    async fn insert(&self, _: &TenantId, key: &Key) -> Result<()> {
        let mut rows = self.0.lock().unwrap();
        let taken = |row: &Key| {
            row.tenant == key.tenant && row.name == key.name && row.state == State::Pending
                || row.id == key.id
                || key.native_id.is_some() && row.native_id == key.native_id && row.state != State::Destroyed
        };
        if rows.iter().any(taken) {
            return Err(Error::KeyExists);
        }
        rows.push(key.clone());
        Ok(())
    }

    async fn update(&self, tenant: &TenantId, keys: &[Key]) -> Result<bool> {
        let mut rows = self.0.lock().unwrap();
        let mut next = rows.clone();
        for key in keys {
            let stored = next.iter_mut().find(|row| row.tenant == *tenant && row.id == key.id);
            match stored {
                Some(row) if row.revision == key.revision => {
                    *row = Key { revision: key.revision + 1, ..key.clone() };
                }
                _ => return Ok(false),
            }
        }
        let mut active = BTreeSet::new();
        let unique = next
            .iter()
            .filter(|row| row.state == State::Active)
            .all(|row| active.insert((row.tenant.clone(), row.name.clone())));
        let mut objects = HashSet::new();
        let unique = unique
            && next
                .iter()
                .filter(|row| row.state != State::Destroyed && row.native_id.is_some())
                .all(|row| objects.insert((row.connection.clone(), row.native_id.clone())));
        if unique {
            *rows = next;
        }
        Ok(unique)
    }

    async fn active(&self, tenant: &TenantId, name: &KeyName) -> Result<Option<Arc<Key>>> {
        let rows = self.0.lock().unwrap();
        let active = |row: &&Key| row.tenant == *tenant && row.name == *name && row.state == State::Active;
        Ok(rows.iter().find(active).cloned().map(Arc::new))
    }

    async fn key(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Arc<Key>>> {
        let rows = self.0.lock().unwrap();
        Ok(rows.iter().find(|row| row.tenant == *tenant && row.id == id).cloned().map(Arc::new))
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Arc<Key>>> {
        let rows = self.0.lock().unwrap();
        let shown =
            |row: &&Key| row.tenant == *tenant && (row.state != State::Destroyed || row.event.is_none());
        Ok(rows.iter().filter(shown).cloned().map(Arc::new).collect())
    }

    async fn tenants(&self) -> Result<Vec<TenantId>> {
        let rows = self.0.lock().unwrap();
        Ok(rows.iter().map(|row| row.tenant.clone()).collect::<BTreeSet<_>>().into_iter().collect())
    }
}

/// Events in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryAudit {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) broken: AtomicBool,
    /// Refuses just events of this operation and outcome.
    pub(crate) refusing: Mutex<Option<(Operation, Outcome)>>,
}

#[async_trait]
impl AuditLog for MemoryAudit {
    async fn append(&self, event: Event) -> Result<u64> {
        let refusing = *self.refusing.lock().unwrap() == Some((event.operation, event.outcome));
        if self.broken.load(Ordering::Relaxed) || refusing {
            return Err(Error::unavailable("the log was told to fail"));
        }
        let mut events = self.events.lock().unwrap();
        events.push(event);
        Ok(u64::try_from(events.len()).unwrap())
    }

    async fn append_all(&self, events: Vec<Event>) -> Result<u64> {
        let mut first = None;
        for event in events {
            let place = self.append(event).await?;
            first.get_or_insert(place);
        }
        Ok(first.unwrap_or_default())
    }

    fn is_writable(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }
}

/// Tokio's clock, which tests can pause, and a wall clock that they can move.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    ahead: Mutex<Duration>,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std() + *self.ahead.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from(SystemTime::UNIX_EPOCH).plus(*self.ahead.lock().unwrap())
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        let ahead = *self.ahead.lock().unwrap();
        Box::pin(tokio::time::sleep_until((deadline - ahead).into()))
    }
}

#[derive(Debug)]
pub(super) struct TestRandom;

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) {
        SystemRandom::new().fill(bytes).unwrap();
    }
}

#[derive(Debug)]
pub(super) struct TokioTasks;

impl Tasks for TokioTasks {
    fn spawn(&self, task: Task) {
        drop(tokio::spawn(task));
    }
}
