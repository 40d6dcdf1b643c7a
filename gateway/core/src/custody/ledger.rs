//! The operations that are open now, and what custody has seen of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::failure::{Failure, FailureKind};
use crate::grant::{Grants, Use};
use crate::key::Key;
use crate::name::{ConnectionName, ProviderName};
use crate::outbound::{During, Outbound, Rule};
use crate::policy::{Allowed, Operation};
use crate::provider::{Loaded, ProviderId};
use crate::signature::Signature;

use super::Origin;
use super::outbound::own_connection;

/// One open operation. Only the host knows it, never a guest.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OperationId(pub u64);

/// The operations that are open now.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    next: AtomicU64,
    open: Mutex<HashMap<OperationId, Entry>>,
}

/// One open operation, who serves it, and what has happened.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) operation: Operation,
    pub(super) deadline: Instant,
    pub(super) seen: Seen,
    provider: ProviderId,
    provider_name: ProviderName,
    connections: usize,
    grants: Arc<Grants>,
    spent: HashMap<Use, u32>,
    /// Requests that were sent, by their rule's connection and place in the grant.
    requests: HashMap<(ConnectionName, usize), u32>,
    probes: u32,
    refused: bool,
}

/// What custody saw while an operation was open.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The signature that the custodian made.
    pub(crate) signature: Option<Signature>,
    /// Whether the custodian destroyed the key.
    pub(crate) destroyed: bool,
    /// Whether the last answer to a request was that it is done, or that there is no such thing.
    pub(crate) gone: bool,
    /// The last failure of a custodian, which a guest may have retold otherwise.
    pub(crate) failure: Option<Failure>,
    /// How often a custodian was asked.
    pub(crate) attempts: u32,
    /// The replica that made the signature, if one had to.
    pub(crate) replica: Option<ConnectionName>,
}

impl Ledger {
    /// Enters `operation`, to be served by `loaded` until `deadline`.
    pub(super) fn open(&self, operation: Operation, loaded: &Loaded, deadline: Instant) -> OperationId {
        let id = OperationId(self.next.fetch_add(1, Ordering::Relaxed));
        let entry = Entry {
            operation,
            deadline,
            seen: Seen::default(),
            provider: loaded.id,
            provider_name: loaded.name.clone(),
            connections: loaded.connections,
            grants: Arc::clone(&loaded.grants),
            spent: HashMap::new(),
            requests: HashMap::new(),
            probes: 0,
            refused: false,
        };
        self.entries().insert(id, entry);

        id
    }

    /// Takes an operation out. From here on no guest can do anything in its name.
    pub(super) fn close(&self, id: OperationId) -> Option<Entry> {
        self.entries().remove(&id)
    }

    /// Works with an open operation; `None` where it is closed.
    pub(super) fn with<T>(&self, id: OperationId, work: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.entries().get_mut(&id).map(work)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<OperationId, Entry>> {
        // No entry is ever half-changed when its holder panics: each change is one assignment.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Refuses unless the operation is the provider's own, still in time, and the grant covers this use; then spends
    /// the budget. What is spent is spent, whatever becomes of it.
    pub(super) fn admit(
        &mut self,
        provider: ProviderId,
        connection: &ConnectionName,
        wanted: Use,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.admit_provider(provider, now)?;
        let granted = self.grants.on(connection).is_some_and(|grant| grant.uses.contains(&wanted));
        if !granted {
            return Err(Refusal::NotGranted);
        }

        let spent = self.spent.entry(wanted).or_default();
        if *spent >= budget(self.operation.allowed(), wanted) {
            return Err(Refusal::BudgetSpent);
        }
        *spent += 1;
        Ok(())
    }

    /// The same for a request: answers the rule that covers it, whose budget it spends, and the path with the operation's
    /// key in its place.
    pub(super) fn admit_request(
        &mut self,
        origin: &Origin,
        request: &Outbound,
        now: Instant,
    ) -> Result<(Rule, String), Refusal> {
        self.admit_provider(origin.provider, now)?;
        let (during, key) = (During::of(self.operation.allowed()), subject(self.operation.allowed()));
        own_connection(key, origin, during)?;
        let grant = self.grants.on(&origin.connection).ok_or(Refusal::NotGranted)?;

        let mut refusal = Refusal::NotGranted;
        for (place, rule) in grant.requests.iter().enumerate() {
            if !rule.covers(during, request) {
                continue;
            }
            let sent = self.requests.entry((origin.connection.clone(), place)).or_default();
            if *sent < rule.times {
                let path = rule.path.of(key).ok_or(Refusal::OtherObject)?;
                *sent += 1;
                return Ok((rule.clone(), path));
            }
            refusal = Refusal::BudgetSpent;
        }
        Err(refusal)
    }

    fn admit_provider(&self, provider: ProviderId, now: Instant) -> Result<(), Refusal> {
        if provider != self.provider {
            return Err(Refusal::OtherProvider);
        }
        if now >= self.deadline {
            return Err(Refusal::Late);
        }

        Ok(())
    }

    /// The same for a question after a custodian's health, which needs a grant on it but none for a use.
    pub(super) fn admit_probe(&mut self, origin: &Origin, now: Instant) -> Result<(), Refusal> {
        self.admit_provider(origin.provider, now)?;
        if self.grants.on(&origin.connection).is_none() {
            return Err(Refusal::NotGranted);
        }
        if self.probes >= PROBES {
            return Err(Refusal::BudgetSpent);
        }
        self.probes += 1;
        Ok(())
    }

    /// The provider that serves it, and how many requests of it may be on their way at a time.
    pub(super) fn provider(&self) -> (&ProviderName, usize) {
        (&self.provider_name, self.connections)
    }

    /// The grants of the provider that serves it.
    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Says a refusal once for each operation, so that a guest that insists cannot fill the operator's log.
    pub(super) fn note_refusal(&mut self, refusal: Refusal) {
        if !self.refused {
            self.refused = true;
            tracing::warn!(provider = %self.provider_name, %refusal, "custody refused a provider's request");
        }
    }

    /// Counts a call to a custodian that is about to be made.
    pub(super) fn dispatched(&mut self) {
        self.seen.attempts += 1;
    }
}

/// Why custody refuses. For the operator's log; guests only read `denied`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no such open operation")]
    NotOpen,
    #[error("the operation is another provider's")]
    OtherProvider,
    #[error("the operation's deadline has passed")]
    Late,
    #[error("its grants do not cover this")]
    NotGranted,
    #[error("the operation allows no more of this")]
    BudgetSpent,
    #[error("the object is not the operation's key")]
    OtherObject,
    #[error("the key type is not the one the operation makes")]
    OtherKeyType,
    #[error("the reference is not the one the provider was given")]
    OtherReference,
    #[error("the mechanism does not fit the operation's scheme")]
    OtherMechanism,
}

impl From<Refusal> for Failure {
    fn from(_: Refusal) -> Self {
        Self::new(FailureKind::Denied, "not part of the open operation")
    }
}

/// How often one operation may do each thing.
fn budget(allowed: &Allowed, wanted: Use) -> u32 {
    match (allowed, wanted) {
        (Allowed::Create(making), Use::Generate) => u32::from(making.imported.is_none()),
        (Allowed::Create(making), Use::Import) => u32::from(making.imported.is_some()),
        (Allowed::Sign(_), Use::Sign) | (Allowed::Destroy(_), Use::Destroy) => 1,
        (Allowed::Create(_) | Allowed::Sign(_) | Allowed::Destroy(_), Use::PublicKey) => READS,
        (Allowed::Create(_), Use::Sign | Use::Destroy)
        | (Allowed::Sign(_), Use::Generate | Use::Import | Use::Destroy)
        | (Allowed::Destroy(_), Use::Generate | Use::Import | Use::Sign)
        | (Allowed::Probe, Use::Generate | Use::Import | Use::PublicKey | Use::Sign | Use::Destroy) => 0,
    }
}

/// The row that an operation is about.
pub(super) fn subject(allowed: &Allowed) -> Option<&Key> {
    match allowed {
        Allowed::Create(making) => Some(&making.key),
        Allowed::Sign(signing) => Some(&signing.key),
        Allowed::Destroy(key) => Some(key),
        Allowed::Probe => None,
    }
}

/// Reading the public half or the state again does no harm; a few times is enough.
const READS: u32 = 4;

/// As many custodians as a provider may have.
const PROBES: u32 = 16;
