//! The creates that are under way, for others to join, and answers that nobody took yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::create::{CreateRequest, Source};
use crate::Result;
use crate::key::{Key, KeyId, KeyName};
use crate::name::TenantId;
use crate::scheme::KeyType;

/// Waits for what becomes of a create.
pub(super) type Outcomes = watch::Receiver<Option<Result<Arc<Key>>>>;

/// The creates that are under way, and those whose answer nobody took yet.
#[derive(Debug, Default)]
pub(super) struct Creates(Mutex<HashMap<(TenantId, KeyName), Attempt>>);

#[derive(Debug)]
struct Attempt {
    /// The kind that is being made; `None` where the key is imported, which nobody can join.
    kind: Option<Kind>,
    outcome: Outcomes,
    finished: Option<Instant>,
}

/// What two requests for one name must agree on to get the same key: its type, and how it takes digests.
type Kind = (KeyType, bool);

/// How a request for a key finds things.
pub(super) enum Joined {
    /// It is the first, and has to tell the others.
    First(watch::Sender<Option<Result<Arc<Key>>>>),
    /// The same is being made.
    UnderWay(Outcomes),
    /// Another key is being made or imported under this name.
    Other,
}

impl Creates {
    /// Whether a create of this name is under way.
    pub(super) fn is_under_way(&self, tenant: &TenantId, name: &KeyName) -> bool {
        self.attempts().get(&(tenant.clone(), name.clone())).is_some_and(|attempt| attempt.finished.is_none())
    }

    /// Forgets answers that nobody came back for.
    pub(super) fn sweep(&self, now: Instant) {
        self.attempts().retain(|_, attempt| {
            attempt.finished.is_none_or(|finished| now.saturating_duration_since(finished) < UNDELIVERED)
        });
    }

    /// The key that an earlier request of the same kind made and never heard of.
    pub(super) fn undelivered(
        &self,
        tenant: &TenantId,
        request: &CreateRequest,
        now: Instant,
    ) -> Option<Arc<Key>> {
        let attempts = self.attempts();
        let attempt = attempts.get(&(tenant.clone(), request.name.clone()))?;
        let fresh = now.saturating_duration_since(attempt.finished?) < UNDELIVERED;
        if !fresh || attempt.kind.is_none() || attempt.kind != joinable(request) {
            return None;
        }

        attempt.outcome.borrow().as_ref()?.as_ref().ok().cloned()
    }

    /// Joins a create of this name, or becomes it.
    pub(super) fn join(&self, tenant: &TenantId, request: &CreateRequest) -> Joined {
        let mut attempts = self.attempts();
        let slot = (tenant.clone(), request.name.clone());
        match attempts.get(&slot) {
            Some(attempt) if attempt.finished.is_some() => (),
            Some(attempt) if attempt.kind.is_some() && attempt.kind == joinable(request) => {
                return Joined::UnderWay(attempt.outcome.clone());
            }
            Some(_) => return Joined::Other,
            None => (),
        }

        let (sender, outcome) = watch::channel(None);
        attempts.insert(slot, Attempt { kind: joinable(request), outcome, finished: None });
        Joined::First(sender)
    }

    /// Notes that a create has ended: one that failed can be tried again at once.
    pub(super) fn finished(&self, tenant: &TenantId, name: &KeyName, made: &Result<Arc<Key>>, now: Instant) {
        let mut attempts = self.attempts();
        let slot = (tenant.clone(), name.clone());
        match made {
            Ok(_) => {
                if let Some(attempt) = attempts.get_mut(&slot) {
                    attempt.finished = Some(now);
                }
            }
            Err(_) => drop(attempts.remove(&slot)),
        }
    }

    /// Notes that somebody took the answer.
    pub(super) fn delivered(&self, tenant: &TenantId, name: &KeyName, id: KeyId) {
        let mut attempts = self.attempts();
        let slot = (tenant.clone(), name.clone());
        let is_this = attempts.get(&slot).is_some_and(|attempt| {
            attempt.outcome.borrow().as_ref().is_some_and(|made| made.as_ref().is_ok_and(|key| key.id == id))
        });
        if is_this {
            attempts.remove(&slot);
        }
    }

    /// Forgets a create whose task ended without an outcome.
    pub(super) fn abandoned(&self, tenant: &TenantId, name: &KeyName) {
        let mut attempts = self.attempts();
        let slot = (tenant.clone(), name.clone());
        if attempts.get(&slot).is_some_and(|attempt| attempt.finished.is_none()) {
            attempts.remove(&slot);
        }
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<(TenantId, KeyName), Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kind of key that another request could ask for as well.
fn joinable(request: &CreateRequest) -> Option<Kind> {
    match request.source {
        Source::Generate(key_type) => Some((key_type, request.digest_as_message)),
        Source::Import(_) => None,
    }
}

/// How long the answer of a create is kept for a caller that stopped waiting.
const UNDELIVERED: Duration = Duration::from_secs(600);
