//! The custodian's part of a create: what a provider is asked for, and what of its answer is believed.

use super::create::{Source, Wanted};
use super::record::{note, note_failure};
use super::sign::meaning;
use super::versions::is_fault;
use super::{Gateway, Versions};
use crate::audit::Event;
use crate::custody::Seen;
use crate::failure::{Failure, FailureKind};
use crate::key::{Handle, Key, KeyId};
use crate::policy::{self, Imported};
use crate::provider::{Call, CreateKey, Created, ImportKey, Loaded, spki};
use crate::{Error, Result};

impl Gateway {
    /// Has the provider make the pending key, and takes of its answer only what custody saw.
    pub(super) async fn make(
        &self,
        draft: &mut Event,
        wanted: &Wanted<'_>,
        (versions, loaded): (&Versions, &Loaded),
        pending: Key,
    ) -> Result<(Key, Option<Handle>)> {
        let Wanted { caller, context, request } = *wanted;
        self.announce(draft, loaded, context.deadline).await?;
        let create = CreateKey {
            id: pending.id,
            name: pending.name.clone(),
            key_type: pending.key_type,
            labels: Vec::new(),
        };

        let imported = match &request.source {
            Source::Generate(_) => None,
            Source::Import(material) => {
                let reference = KeyId::random(&*self.outside.random).to_string();
                Some(Imported { reference, material: material.clone() })
            }
        };
        let reference = imported.as_ref().map(|imported| imported.reference.clone());
        let open = self.custody.open(policy::create(caller, pending, imported)?, loaded, context.deadline);
        let call = Call {
            operation: open.id(),
            tenant: caller.tenant.clone(),
            request_id: Some(context.request_id.clone()),
            deadline: context.deadline,
        };
        let answer = match reference {
            None => loaded.provider.create_key(call, create).await,
            Some(reference) => loaded.provider.import_key(call, ImportKey { key: create, reference }).await,
        };
        let (seen, made) = open.close();
        draft.attempts = seen.attempts;
        note_failure(draft, &seen);

        let custodian = seen.failure.as_ref().map(|failure| failure.kind);
        let taken = self.take(draft, wanted, loaded, (answer, seen, made)).await;
        self.watch(versions, loaded, is_fault(taken.as_ref().err(), custodian));
        taken
    }

    /// What a provider's answer at create comes to, held against what custody saw.
    async fn take(
        &self,
        draft: &mut Event,
        wanted: &Wanted<'_>,
        loaded: &Loaded,
        (answer, seen, made): (Result<Created, Failure>, Seen, Option<Key>),
    ) -> Result<(Key, Option<Handle>)> {
        let Wanted { context, request, .. } = *wanted;
        let created = answer.map_err(|failure| match seen.failure {
            // Only a custodian knows; a provider that says so by itself is mistaken.
            Some(seen) if seen.kind == FailureKind::Exists => Error::KeyExists,
            seen => refusal_at_create(seen.unwrap_or(failure), &request.source),
        })?;
        let made = made.ok_or_else(|| Error::internal("the operation was lost"))?;
        note(draft, &made, loaded);
        if !self.custody.sees(&made) {
            return self.proven(context, loaded, made, created).await;
        }
        let handle = checked(&made, created).map_err(Error::internal)?;
        Ok((made, handle))
    }
}

/// What a failure means while there is no key yet: the custodian may lack the type, or refuse what was brought.
fn refusal_at_create(failure: Failure, source: &Source) -> Error {
    match (failure.kind, source) {
        (FailureKind::Unsupported, _) => Error::Unsupported,
        (FailureKind::InvalidArgument, Source::Import(_)) => {
            Error::invalid("private_key", "its parts do not belong together, or are out of range")
        }
        _ => meaning(failure),
    }
}

/// The handle of a new key, if the provider's answer is about the key that custody saw made.
fn checked(made: &Key, created: Created) -> Result<Option<Handle>, Failure> {
    let Some(public) = &made.public else {
        return Err(Failure::new(FailureKind::Internal, "the provider made nothing that custody saw"));
    };
    if spki(&created.public_key)? != *public {
        return Err(Failure::new(FailureKind::Internal, "the provider answered with another public key"));
    }

    handle(created)
}

/// The handle in a provider's answer, if it is short enough.
pub(super) fn handle(created: Created) -> Result<Option<Handle>, Failure> {
    created
        .handle
        .map(|bytes| {
            Handle::new(&bytes).ok_or_else(|| {
                let text =
                    format!("the provider's handle has {} bytes, more than {}", bytes.len(), Handle::MAX);
                Failure::new(FailureKind::Internal, text)
            })
        })
        .transpose()
}
