//! Decides what a guest may bring about, and is the only one that calls a backend.
//!
//! What policy allowed is an operation: an owned value that stays in the ledger until the gateway closes it. A guest
//! that is called for it may use capabilities, each of which the host passes on with the operation's id. Custody finds
//! the open operation; checks that provider, connection, object and mechanism are the operation's own; spends its
//! budget; renders the input itself; calls the backend; and keeps what came back, so that the gateway can compare
//! the guest's answer with it.

mod connections;
mod counted;
mod ledger;
mod making;
mod mechanism;
mod open;
mod outbound;
mod replicas;
mod restoring;
mod settled;
#[cfg(test)]
mod tests;
pub mod tryout;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

pub use crate::backend::KeyState;
pub use connections::ConnectionHits;
pub use counted::CustodianFailures;
pub use ledger::OperationId;
pub(crate) use ledger::Seen;
pub use mechanism::{Mechanism, digest_info};
pub(crate) use open::OpenOperation;
pub use replicas::Replicas;
pub(crate) use settled::{may_settle, settled};

use crate::backend::{Backend, Generated, Object};
use crate::failure::{Failure, FailureKind};
use crate::grant::{Grants, Use};
use crate::key::{Key, NativeId};
use crate::name::{ConnectionName, ProviderName};
use crate::outbound::{Inbound, Outbound};
use crate::outside::Outside;
use crate::policy::{Allowed, Operation};
use crate::provider::{Loaded, ProviderId};
use crate::public_key::PublicKey;
use crate::scheme::KeyType;
use crate::store::Keys;
use connections::Connections;
use counted::{Counted, Failures};
use ledger::{Entry, Ledger, Refusal, subject};
use making::Making;

/// What the host may ask of custody on a guest's behalf, in plain owned values that a socket could carry.
///
/// Every refusal is a [`FailureKind::Denied`] and says no more than that: a guest learns
/// nothing about objects that are not its own.
#[async_trait]
pub trait Capabilities: Debug + Send + Sync {
    /// Makes the key pair of the open create operation; answers its SubjectPublicKeyInfo, DER.
    async fn generate(&self, target: Target, key_type: KeyType) -> Result<Vec<u8>, Failure>;

    /// Takes over the key pair that the open import operation holds under `reference`; answers its
    /// SubjectPublicKeyInfo, DER.
    async fn import_key(
        &self,
        target: Target,
        key_type: KeyType,
        reference: String,
    ) -> Result<Vec<u8>, Failure>;

    /// The public half of the operation's key: SubjectPublicKeyInfo, DER.
    async fn public_key(&self, target: Target) -> Result<Vec<u8>, Failure>;

    /// How the operation's key stands at its custodian. It is covered by the same use as the public half, and counts as
    /// reading that does.
    async fn state(&self, target: Target) -> Result<KeyState, Failure>;

    /// Signs what the open operation holds; ECDSA as r and s.
    async fn sign(&self, target: Target, mechanism: Mechanism) -> Result<Vec<u8>, Failure>;

    /// Destroys the key of the open destroy operation.
    async fn destroy(&self, target: Target) -> Result<(), Failure>;

    /// Whether a granted custodian could serve now.
    async fn health(&self, origin: Origin) -> Result<(), Failure>;

    /// Sends a request to a custodian that takes requests, if the open operation covers it.
    async fn request(&self, origin: Origin, request: Outbound) -> Result<Inbound, Failure>;
}

/// Who asks for something on a connection, and in which operation.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The operation it was called for.
    pub operation: OperationId,
    /// The provider it is an instance of.
    pub provider: ProviderId,
    /// The connection it names.
    pub connection: ConnectionName,
}

/// What a guest wants to act on, and in which operation.
#[derive(Clone, Debug)]
pub struct Target {
    /// The operation it was called for.
    pub operation: OperationId,
    /// The provider it is an instance of.
    pub provider: ProviderId,
    /// The connection it names.
    pub connection: ConnectionName,
    /// The object it names: by the key-id it was made for or registered under, or by its native id.
    pub object: String,
}

/// The ledger of open operations, and the backends that only custody calls.
#[derive(Debug)]
pub struct Custody {
    ledger: Arc<Ledger>,
    making: Making,
    backends: HashMap<ConnectionName, Arc<dyn Backend>>,
    connections: Connections,
    failures: Failures,
    keys: Arc<dyn Keys>,
    outside: Outside,
    replicas: Replicas,
}

impl Custody {
    /// Custody over these connections, some of which stand in for others. The providers of one tenant may have
    /// `tenant_connections` requests on their way at a time.
    #[must_use]
    pub fn new(
        outside: Outside,
        keys: Arc<dyn Keys>,
        (backends, replicas): (HashMap<ConnectionName, Arc<dyn Backend>>, Replicas),
        tenant_connections: usize,
    ) -> Arc<Self> {
        let failures = Failures::default();
        let counted = |(name, backend): (ConnectionName, _)| {
            let counted: Arc<dyn Backend> = Arc::new(Counted::new(name.clone(), backend, failures.clone()));
            (name, counted)
        };
        let backends = backends.into_iter().map(counted).collect();

        Arc::new(Self {
            ledger: Arc::default(),
            making: Making::default(),
            backends,
            connections: Connections::new(tenant_connections),
            failures,
            keys,
            outside,
            replicas,
        })
    }

    /// How often each custodian failed so far, and in which ways.
    #[must_use]
    pub fn failures(&self) -> Vec<CustodianFailures> {
        self.failures.counts()
    }

    /// How often a provider ran into the bounds on requests that are on their way.
    #[must_use]
    pub fn connection_hits(&self, provider: &ProviderName) -> ConnectionHits {
        self.connections.hits(provider)
    }

    /// Enters `operation` in the ledger, to be served by `loaded` until `deadline`.
    pub(crate) fn open(
        self: &Arc<Self>,
        operation: Operation,
        loaded: &Loaded,
        deadline: Instant,
    ) -> OpenOperation {
        OpenOperation::new(Arc::clone(self), self.ledger.open(operation, loaded, deadline))
    }

    /// Whether something outside this process may act when a provider with these grants is called.
    pub(crate) fn acts_outside(&self, grants: &Grants) -> bool {
        grants
            .iter()
            .any(|grant| self.backends.get(&grant.connection).is_some_and(|backend| backend.acts_outside()))
    }

    /// The public half of a key as its connection's custodian has it now, without a guest.
    pub(crate) async fn public_half(&self, key: &Key, deadline: Instant) -> Result<PublicKey, Failure> {
        let (Some(connection), Some(native_id)) = (&key.connection, &key.native_id) else {
            return Err(Failure::new(FailureKind::NotFound, "no custodian was ever asked for this key"));
        };

        self.backend(connection)?.public_key(&object(key, native_id.clone()), deadline).await
    }

    /// The key pair that an operator names in the words of a connection's custodian.
    pub(crate) async fn locate(
        &self,
        connection: &ConnectionName,
        reference: &str,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        self.backend(connection)?.locate(reference, deadline).await
    }

    /// Destroys what a key left at its custodian, without a guest. Nothing is there to destroy where no connection was
    /// ever asked for it.
    pub(crate) async fn erase(&self, key: &Key, deadline: Instant) -> Result<(), Failure> {
        let Some(connection) = &key.connection else { return Ok(()) };
        if self.making.is_under_way(key.id) {
            return Err(Failure::new(FailureKind::Unavailable, "the custodian is still making this key"));
        }

        let backend = self.backend(connection)?;
        let native_id = match &key.native_id {
            Some(native_id) => Some(native_id.clone()),
            None => backend.find(&key.tenant, key.id, deadline).await?,
        };

        match native_id {
            Some(native_id) => self.destroyed(connection, &object(key, native_id), deadline).await,
            None => Ok(()),
        }
    }

    fn backend(&self, connection: &ConnectionName) -> Result<Arc<dyn Backend>, Failure> {
        self.backends.get(connection).cloned().ok_or_else(|| {
            Failure::new(FailureKind::OperatorNeeded, format!("connection `{connection}` is not configured"))
        })
    }

    /// Runs `admit` on the open operation, and says it in the operator's log where that refuses.
    fn admit<T>(
        &self,
        operation: OperationId,
        admit: impl FnOnce(&mut Entry) -> Result<T, Refusal>,
    ) -> Result<T, Failure> {
        let admitted = self
            .ledger
            .with(operation, |entry| admit(entry).inspect_err(|refusal| entry.note_refusal(*refusal)));

        Ok(admitted.ok_or(Refusal::NotOpen)??)
    }

    /// Admits a use of the operation's own key; answers the backend, the object and the deadline.
    fn admit_object(&self, target: &Target, wanted: Use) -> Result<Dispatch, Failure> {
        let (object, deadline) = self.admit(target.operation, |entry| {
            let object = own_object(entry, target)?;
            entry.admit(target.provider, &target.connection, wanted, self.outside.clock.now())?;
            entry.dispatched();
            Ok((object, entry.deadline))
        })?;

        Ok(Dispatch { backend: self.backend(&target.connection)?, object, deadline })
    }

    /// Keeps what came back, unless the operation was closed meanwhile: then nobody may have it.
    fn keep<T>(
        &self,
        operation: OperationId,
        outcome: Result<T, Failure>,
        keep: impl FnOnce(&mut Seen, &T),
    ) -> Result<T, Failure> {
        self.ledger
            .with(operation, |entry| match &outcome {
                Ok(value) => keep(&mut entry.seen, value),
                Err(failure) => entry.seen.failure = Some(failure.clone()),
            })
            .ok_or(Refusal::NotOpen)?;

        outcome
    }
}

#[async_trait]
impl Capabilities for Custody {
    async fn generate(&self, target: Target, key_type: KeyType) -> Result<Vec<u8>, Failure> {
        let outcome = self.make(&target, key_type, None).await;
        let public = self.keep(target.operation, outcome, |_, _| ())?;

        Ok(public.der().to_vec())
    }

    async fn import_key(
        &self,
        target: Target,
        key_type: KeyType,
        reference: String,
    ) -> Result<Vec<u8>, Failure> {
        let outcome = self.make(&target, key_type, Some(reference)).await;
        let public = self.keep(target.operation, outcome, |_, _| ())?;

        Ok(public.der().to_vec())
    }

    async fn public_key(&self, target: Target) -> Result<Vec<u8>, Failure> {
        let Dispatch { backend, object, deadline } = self.admit_object(&target, Use::PublicKey)?;
        let outcome = backend.public_key(&object, deadline).await;
        let public = self.keep(target.operation, outcome, |_, _| ())?;

        Ok(public.der().to_vec())
    }

    async fn state(&self, target: Target) -> Result<KeyState, Failure> {
        let Dispatch { backend, object, deadline } = self.admit_object(&target, Use::PublicKey)?;
        let outcome = backend.state(&object, deadline).await;

        self.keep(target.operation, outcome, |_, _| ())
    }

    async fn sign(&self, target: Target, mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        let (object, wanted, deadline) = self.admit(target.operation, |entry| {
            let object = own_object(entry, &target)?;
            let Allowed::Sign(signing) = entry.operation.allowed() else { return Err(Refusal::BudgetSpent) };
            let granted = entry
                .grants()
                .on(&target.connection)
                .is_some_and(|grant| grant.mechanisms.as_ref().is_none_or(|some| some.contains(&mechanism)));
            if !mechanism.fits(signing.scheme) || !granted {
                return Err(Refusal::OtherMechanism);
            }
            // Cheap: what is cloned is shared.
            let wanted = signing.clone();
            entry.admit(target.provider, &target.connection, Use::Sign, self.outside.clock.now())?;
            entry.dispatched();
            Ok((object, wanted, entry.deadline))
        })?;

        let rendered = mechanism.render(object.key_type, &wanted.input).ok_or(Refusal::OtherMechanism)?;
        let asked = (&object, mechanism, &*rendered);
        let outcome = self.made(&target.connection, asked, &wanted, deadline).await;
        let (signature, _) = self.keep(target.operation, outcome, |seen, (signature, replica)| {
            seen.signature = Some(signature.clone());
            seen.replica.clone_from(replica);
        })?;

        Ok(signature.bytes().to_vec())
    }

    async fn destroy(&self, target: Target) -> Result<(), Failure> {
        let Dispatch { object, deadline, .. } = self.admit_object(&target, Use::Destroy)?;
        let outcome = self.destroyed(&target.connection, &object, deadline).await;

        self.keep(target.operation, outcome, |seen, ()| seen.destroyed = true)
    }

    async fn health(&self, origin: Origin) -> Result<(), Failure> {
        let deadline = self.admit(origin.operation, |entry| {
            entry.admit_probe(&origin, self.outside.clock.now())?;
            Ok(entry.deadline)
        })?;
        let outcome = self.well(&origin.connection, deadline).await;

        self.keep(origin.operation, outcome, |_, ()| ())
    }

    async fn request(&self, origin: Origin, request: Outbound) -> Result<Inbound, Failure> {
        let outcome = self.send(&origin, request).await;

        self.keep(origin.operation, outcome, |seen, answer| seen.gone = answer.is_gone())
    }
}

/// What was admitted, ready for the backend.
struct Dispatch {
    backend: Arc<dyn Backend>,
    object: Object,
    deadline: Instant,
}

/// The object that a guest names, if it is the one that the operation's key has on that connection.
///
/// A guest may name it by the key-id, and need not know that a registered key's native id is another. Both name the one
/// object that the row records, so neither can change which object signs. Where the native id was never recorded, the
/// object has the key-id's name.
fn own_object(entry: &Entry, target: &Target) -> Result<Object, Refusal> {
    let key = subject(entry.operation.allowed()).ok_or(Refusal::OtherObject)?;
    if key.connection.as_ref() != Some(&target.connection) {
        return Err(Refusal::OtherObject);
    }

    let key_id = key.id.to_string();
    let named = |native_id: &NativeId| native_id.as_str() == target.object;
    if target.object != key_id && !key.native_id.as_ref().is_some_and(named) {
        return Err(Refusal::OtherObject);
    }

    let native_id = key.native_id.clone().unwrap_or_else(|| NativeId::new(key_id));
    Ok(object(key, native_id))
}

fn object(key: &Key, native_id: NativeId) -> Object {
    Object { tenant: key.tenant.clone(), key_id: key.id, native_id, key_type: key.key_type }
}
