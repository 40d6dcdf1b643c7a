//! Makes the key of a create operation, and sees it through even when nobody waits for it any more.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::ledger::{Ledger, OperationId, Refusal};
use super::{Custody, Target, object};
use crate::backend::{Backend, Generate, Generated};
use crate::failure::{Failure, FailureKind};
use crate::grant::Use;
use crate::import::Material;
use crate::key::{Key, KeyId, NativeId, State};
use crate::policy::{self, Allowed};
use crate::public_key::PublicKey;
use crate::scheme::KeyType;
use crate::store::Keys;

impl Custody {
    /// Has the planned key made by the connection's backend.
    ///
    /// The backend is called in a task of its own: a guest that was stopped meanwhile cannot leave a half-made object
    /// behind that no row knows. While it runs, [`Custody::erase`] refuses to believe that there is nothing.
    pub(super) async fn make(
        &self,
        target: &Target,
        key_type: KeyType,
        reference: Option<String>,
    ) -> Result<PublicKey, Failure> {
        let backend = self.backend(&target.connection)?;
        let (key, material, deadline) = self.plan(target, key_type, reference).await?;
        let attempt = Attempt {
            _under_way: self.making.begin(key.id),
            ledger: Arc::clone(&self.ledger),
            keys: Arc::clone(&self.keys),
            backend,
            operation: target.operation,
            key,
            material,
            deadline,
        };

        let (answer, answered) = oneshot::channel();
        self.outside.tasks.spawn(Box::pin(async move {
            // Whoever asked may be gone: then the attempt has cleaned up after itself.
            drop(answer.send(attempt.run().await));
        }));
        answered.await.map_err(|_gone| Failure::new(FailureKind::Internal, "making the key was abandoned"))?
    }

    /// Admits the making of the operation's key, and writes down which connection is about to be asked for it.
    async fn plan(
        &self,
        target: &Target,
        key_type: KeyType,
        reference: Option<String>,
    ) -> Result<(Key, Option<Material>, Instant), Failure> {
        let (planned, material, deadline) = self.admit(target.operation, |entry| {
            let Allowed::Create(making) = entry.operation.allowed() else { return Err(Refusal::BudgetSpent) };
            let (planned, material) = making.planned(target, key_type, reference)?;
            let wanted = if material.is_some() { Use::Import } else { Use::Generate };
            entry.admit(target.provider, &target.connection, wanted, self.outside.clock.now())?;
            entry.dispatched();
            Ok((planned, material, entry.deadline))
        })?;

        Ok((write(&self.ledger, &self.keys, target.operation, planned).await?, material, deadline))
    }
}

impl policy::Making {
    /// The key's next row, and the material it is made of if it is imported; if that is what the guest asks for.
    fn planned(
        &self,
        target: &Target,
        key_type: KeyType,
        reference: Option<String>,
    ) -> Result<(Key, Option<Material>), Refusal> {
        if target.object != self.key.id.to_string() {
            return Err(Refusal::OtherObject);
        }
        if key_type != self.key.key_type {
            return Err(Refusal::OtherKeyType);
        }

        let planned = self.key.planned(target.connection.clone());
        match (&self.imported, reference) {
            (None, None) => Ok((planned, None)),
            (Some(imported), Some(reference)) if imported.reference == reference => {
                Ok((planned, Some(imported.material.clone())))
            }
            (Some(_), Some(_)) => Err(Refusal::OtherReference),
            (None, Some(_)) | (Some(_), None) => Err(Refusal::BudgetSpent),
        }
    }
}

/// One call of a backend for one new key.
struct Attempt {
    _under_way: UnderWay,
    ledger: Arc<Ledger>,
    keys: Arc<dyn Keys>,
    backend: Arc<dyn Backend>,
    operation: OperationId,
    key: Key,
    material: Option<Material>,
    deadline: Instant,
}

impl Attempt {
    async fn run(mut self) -> Result<PublicKey, Failure> {
        let request = Generate {
            tenant: self.key.tenant.clone(),
            key_id: self.key.id,
            name: self.key.name.clone(),
            key_type: self.key.key_type,
        };
        let generated = match self.material.take() {
            Some(material) => self.backend.import(request, material, self.deadline).await?,
            None => self.backend.generate(request, self.deadline).await?,
        };

        match self.record(&generated).await {
            Ok(()) => Ok(generated.public),
            // The object has a key, which needs it.
            Err(failure) if failure.kind == FailureKind::Exists => Err(failure),
            Err(failure) => {
                let object = object(&self.key, generated.native_id);
                if let Err(failure) = self.backend.destroy(&object, self.deadline).await {
                    // The row is on its way to `destroyed`; the reaper finds the object by its key-id.
                    tracing::warn!(key_id = %self.key.id, %failure, "a key that nobody waits for was not destroyed yet");
                }
                Err(failure)
            }
        }
    }

    async fn record(&self, generated: &Generated) -> Result<(), Failure> {
        if generated.public.key_type() != self.key.key_type {
            return Err(Failure::new(FailureKind::Internal, "the custodian made a key of another type"));
        }

        let made = self.key.made(generated.native_id.clone(), generated.public.clone());
        match write(&self.ledger, &self.keys, self.operation, made).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.taken(&generated.native_id).await.unwrap_or(failure)),
        }
    }

    /// The refusal where another key of the tenant has the object already: a custodian that derives keys from their
    /// names has but one for each.
    async fn taken(&self, native_id: &NativeId) -> Option<Failure> {
        let keys = self.keys.list(&self.key.tenant).await.ok()?;
        let other = keys.iter().find(|other| {
            other.id != self.key.id
                && other.state != State::Destroyed
                && other.connection == self.key.connection
                && other.native_id.as_ref() == Some(native_id)
        })?;

        let message = format!(
            "`{}` is the object of key {}, which is {}: it must be destroyed before there can be another",
            native_id.as_str(),
            other.id,
            other.state.as_str()
        );
        Some(Failure::new(FailureKind::Exists, message))
    }
}

/// Stores the next row of the key that an open operation makes, and notes it in the operation.
pub(super) async fn write(
    ledger: &Ledger,
    keys: &Arc<dyn Keys>,
    operation: OperationId,
    key: Key,
) -> Result<Key, Failure> {
    let is_open = ledger.with(operation, |_| ()).is_some();
    if !is_open {
        return Err(Refusal::NotOpen.into());
    }

    let stored = keys.update(&key.tenant, std::slice::from_ref(&key)).await;
    if !stored.map_err(|error| Failure::new(FailureKind::Unavailable, error.detail()))? {
        return Err(Failure::new(
            FailureKind::Internal,
            "the key's row changed, or its object is another key's",
        ));
    }

    let next = Key { revision: key.revision + 1, ..key };
    ledger
        .with(operation, |entry| {
            if let Allowed::Create(making) = entry.operation.allowed_mut() {
                making.key = next.clone();
            }
        })
        .ok_or(Refusal::NotOpen)?;
    Ok(next)
}

/// The keys that a backend is making now.
#[derive(Clone, Debug, Default)]
pub(super) struct Making(Arc<Mutex<HashSet<KeyId>>>);

impl Making {
    pub(super) fn is_under_way(&self, id: KeyId) -> bool {
        self.ids().contains(&id)
    }

    pub(super) fn begin(&self, id: KeyId) -> UnderWay {
        self.ids().insert(id);

        UnderWay { making: self.clone(), id }
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<KeyId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a key is being made, until it is dropped.
pub(super) struct UnderWay {
    making: Making,
    id: KeyId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.making.ids().remove(&self.id);
    }
}
