//! Sends a provider's requests to custodians that no backend speaks for, as far as its grant covers them.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::connections::InUse;
use super::ledger::{Ledger, OperationId, Refusal, subject};
use super::making::{UnderWay, write};
use super::{Custody, Origin};
use crate::backend::Backend;
use crate::failure::{Failure, FailureKind};
use crate::key::{Key, KeyId, NativeId};
use crate::name::TenantId;
use crate::outbound::{During, Inbound, Outbound, Rule};
use crate::policy::Allowed;
use crate::store::Keys;

impl Custody {
    /// Sends `request`, if the open operation covers it.
    ///
    /// While a key is made, it is sent in a task of its own, and the row says before it which connection is asked, and
    /// after it what the custodian calls the key: a guest that was stopped meanwhile leaves nothing that no row knows.
    pub(super) async fn send(&self, origin: &Origin, request: Outbound) -> Result<Inbound, Failure> {
        let backend = self.backend(&origin.connection)?;
        let (rule, path, pending, deadline, in_use) = self.admit(origin.operation, |entry| {
            let (rule, path) = entry.admit_request(origin, &request, self.outside.clock.now())?;
            let tenant = subject(entry.operation.allowed()).map(|key| &key.tenant);
            let in_use = self.connections.open(entry.provider(), tenant);
            if in_use.is_ok() {
                entry.dispatched();
            }
            let pending = match entry.operation.allowed() {
                Allowed::Create(making) => Some(making.key.clone()),
                Allowed::Sign(_) | Allowed::Destroy(_) | Allowed::Probe => None,
            };
            Ok((rule, path, pending, entry.deadline, in_use))
        })?;
        let in_use = in_use?;
        let request = Outbound { path, ..request };
        let Some(pending) = pending else {
            return backend.send(&request, None, deadline).await;
        };

        let planned = self.planned(origin, &pending).await?;
        let sending = Sending {
            _in_use: in_use,
            _under_way: self.making.begin(planned.id),
            ledger: Arc::clone(&self.ledger),
            keys: Arc::clone(&self.keys),
            backend,
            operation: origin.operation,
            key: (planned.tenant.clone(), planned.id),
            request,
            rule,
            deadline,
        };
        let (answer, answered) = oneshot::channel();
        self.outside.tasks.spawn(Box::pin(async move {
            // Whoever asked may be gone; the row knows what came of it.
            drop(answer.send(sending.run().await));
        }));
        answered.await.map_err(|_gone| Failure::new(FailureKind::Internal, "the request was abandoned"))?
    }

    /// The pending row once it says which connection is asked, and what the key will be called there if that is known.
    async fn planned(&self, origin: &Origin, pending: &Key) -> Result<Key, Failure> {
        if pending.connection.is_some() {
            return Ok(pending.clone());
        }

        let named_later = self.admit(origin.operation, |entry| {
            let rules = entry.grants().on(&origin.connection).map(|grant| grant.requests.as_slice());
            Ok(rules
                .unwrap_or_default()
                .iter()
                .any(|rule| rule.during == During::Create && rule.native_id.is_some()))
        })?;
        let planned = pending.planned(origin.connection.clone());
        let planned = match named_later {
            true => planned,
            false => planned.named(NativeId::new(pending.id.to_string())),
        };
        write(&self.ledger, &self.keys, origin.operation, planned).await
    }

    /// Whether a custodian may still be at a key of this id.
    pub(crate) fn is_making(&self, id: KeyId) -> bool {
        self.making.is_under_way(id)
    }

    /// Whether custody sees what becomes of a key, or only requests about it.
    pub(crate) fn sees(&self, key: &Key) -> bool {
        let backend = key.connection.as_ref().and_then(|connection| self.backends.get(connection));

        backend.is_none_or(|backend| !backend.takes_requests())
    }
}

/// One request for one new key.
struct Sending {
    _in_use: InUse,
    _under_way: UnderWay,
    ledger: Arc<Ledger>,
    keys: Arc<dyn Keys>,
    backend: Arc<dyn Backend>,
    operation: OperationId,
    key: (TenantId, KeyId),
    request: Outbound,
    rule: Rule,
    deadline: Instant,
}

impl Sending {
    async fn run(self) -> Result<Inbound, Failure> {
        let answer = self.backend.send(&self.request, self.rule.native_id.as_deref(), self.deadline).await?;

        if let Some(native_id) = &answer.native_id {
            self.record(native_id).await?;
        } else if self.rule.native_id.is_some() && answer.is_success() {
            let message = "the answer does not say what the new key is called, where the grant has it";
            return Err(Failure::new(FailureKind::Internal, message));
        }
        Ok(answer)
    }

    /// Writes down what the custodian calls the key, even where the operation has ended: whoever destroys the key needs it.
    async fn record(&self, native_id: &NativeId) -> Result<(), Failure> {
        let (tenant, id) = &self.key;
        let unavailable = |error: crate::Error| Failure::new(FailureKind::Unavailable, error.detail());
        let row = self.keys.key(tenant, *id).await.map_err(unavailable)?;
        let row = row.ok_or_else(|| Failure::new(FailureKind::Internal, "the key's row is gone"))?;
        if row.native_id.as_ref() == Some(native_id) {
            return Ok(());
        }
        if row.native_id.is_some() {
            return Err(Failure::new(FailureKind::Internal, "the custodian calls the key by two names"));
        }

        let named = row.named(native_id.clone());
        match write(&self.ledger, &self.keys, self.operation, named.clone()).await {
            Ok(_) => Ok(()),
            Err(failure) if self.ledger.with(self.operation, |_| ()).is_some() => Err(failure),
            Err(ended) => {
                if !self.keys.update(tenant, &[named]).await.map_err(unavailable)? {
                    tracing::warn!(key_id = %id, native_id = native_id.as_str(), "a key's name at its custodian is lost");
                }
                Err(ended)
            }
        }
    }
}

/// The refusal where a request is about another connection than the key's.
pub(super) fn own_connection(key: Option<&Key>, origin: &Origin, during: During) -> Result<(), Refusal> {
    let connection = key.map(|key| &key.connection);

    match (during, connection) {
        (During::Health, _) | (During::Create, Some(None)) => Ok(()),
        (_, Some(Some(connection))) if *connection == origin.connection => Ok(()),
        (During::Create | During::Sign | During::Destroy, _) => Err(Refusal::OtherObject),
    }
}
