//! Signs: the operation everything else is here for.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::possession::verified;
use super::record::{note, note_failure};
use super::versions::is_fault;
use super::{Context, Gateway};
use crate::audit::{Event, Operation};
use crate::caller::{Caller, Verb};
use crate::custody::Seen;
use crate::failure::{Failure, FailureKind};
use crate::input::Input;
use crate::key::{Key, KeyName, State};
use crate::policy::{self, How};
use crate::provider::{Call, KeyRef, Loaded, Sign};
use crate::signature::Signature;
use crate::{Cause, Error, Result};

/// A signature that a caller asks for.
#[derive(Clone, Debug)]
pub struct SignRequest {
    /// With which of its keys.
    pub name: KeyName,
    /// How.
    pub how: How,
    /// What.
    pub input: Input,
}

/// A signature, and the key that made it.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The signature.
    pub signature: Signature,
    /// The key.
    pub key: Arc<Key>,
}

impl Gateway {
    /// Signs `request` for `caller`.
    ///
    /// No signature leaves before its audit event is durable, and none that custody did not see made, or the key's public
    /// half did not verify.
    pub async fn sign(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        request: SignRequest,
    ) -> Result<Signed> {
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));

        let deadline = context.deadline;
        let work = Box::pin(async move {
            let mut draft = gateway.draft(&caller, &context, Operation::Sign);
            let outcome = gateway.try_sign(&mut draft, &caller, &context, request).await;

            gateway.record(draft, outcome, context.deadline).await
        });

        self.detached(deadline, work).await
    }

    /// Signs each of `requests` for `caller`: as many operations, outcomes and events, and one wait for the log. Some of
    /// them are with their custodians at once.
    ///
    /// Fails as a whole only where the events cannot be written, and then no signature leaves.
    pub async fn sign_all(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        requests: Vec<SignRequest>,
    ) -> Result<Vec<Result<Signed>>> {
        let (gateway, caller) = (Arc::clone(self), Arc::clone(caller));

        let deadline = context.deadline;
        let work = Box::pin(async move {
            // In a box, because a future of its size is dear to move.
            let one = |request| Box::pin(gateway.sign_one(&caller, &context, request));
            let at_once = gateway.at_once(&caller)?;
            let (drafts, outcomes): (Vec<_>, Vec<_>) =
                stream::iter(requests).map(one).buffered(at_once).unzip().await;

            gateway.record_all(drafts, &outcomes, context.deadline).await?;
            Ok(outcomes)
        });

        self.detached(deadline, work).await
    }

    /// One item of a batch: its event, and what became of it.
    async fn sign_one(
        &self,
        caller: &Caller,
        context: &Context,
        request: SignRequest,
    ) -> (Event, Result<Signed>) {
        let mut draft = self.draft(caller, context, Operation::Sign);
        let outcome = self.try_sign(&mut draft, caller, context, request).await;

        (draft, outcome)
    }

    /// How many operations of one batch are under way at once: no more than the caller may have, or it would be refused
    /// for its own, and one less, where that leaves any, so that the tenant's others are not.
    fn at_once(&self, caller: &Caller) -> Result<usize> {
        let (tenant, own) = self.tenants().quotas(caller)?;
        let bounds = [tenant.in_flight, own.in_flight].into_iter().flatten();

        let fewest = bounds.filter_map(|bound| usize::try_from(bound).ok()).min();
        Ok(fewest.map_or(AT_ONCE, |fewest| AT_ONCE.min(fewest.saturating_sub(1)).max(1)))
    }

    async fn try_sign(
        &self,
        draft: &mut Event,
        caller: &Caller,
        context: &Context,
        request: SignRequest,
    ) -> Result<Signed> {
        draft.key = Some(request.name.clone());
        let _admitted = self.admit(caller, request.input.length())?;
        policy::allow(caller, Verb::Sign, &request.name)?;
        let key = self.signing_key(caller, &request.name).await?;
        let tenants = self.tenants();
        let versions = tenants.provider(&caller.tenant, &key.provider)?;
        let loaded = versions.pick();
        note(draft, &key, loaded);
        let operation =
            policy::sign(caller, Arc::clone(&key), request.how, request.input, &loaded.descriptor)?;
        let (scheme, input) = operation.signing().ok_or_else(|| Error::internal("not a signature"))?;
        draft.scheme = Some(scheme);
        self.announce(draft, loaded, context.deadline).await?;

        let sign = Sign { key: key_ref(&key), scheme, input: input.clone() };
        let open = self.custody.open(operation, loaded, context.deadline);
        let call = Call {
            operation: open.id(),
            tenant: caller.tenant.clone(),
            request_id: Some(context.request_id.clone()),
            deadline: context.deadline,
        };
        let answer = loaded.provider.sign(call, sign).await;
        let (seen, _) = open.close();
        draft.attempts = seen.attempts;
        note_failure(draft, &seen);

        let custodian = seen.failure.as_ref().map(|failure| failure.kind);
        let signature = if self.custody.sees(&key) {
            checked(&key, &input, loaded, answer, seen)
        } else {
            verified(&key, (scheme, &input), answer, seen)
        };
        self.watch(versions, loaded, is_fault(signature.as_ref().err(), custodian));
        Ok(Signed { signature: signature?, key })
    }

    /// The active key of a name; says of a key that was released that it was.
    async fn signing_key(&self, caller: &Caller, name: &KeyName) -> Result<Arc<Key>> {
        if let Some(key) = self.keys.active(&caller.tenant, name).await? {
            return Ok(key);
        }

        let keys = self.keys.list(&caller.tenant).await?;
        let was_released = keys.iter().any(|key| key.name == *name && has_been_released(key));
        Err(if was_released { Error::KeyReleased } else { Error::KeyNotFound })
    }
}

/// Whether the caller once gave this key up and can still be told so.
pub(super) fn has_been_released(key: &Key) -> bool {
    match key.state {
        State::Released | State::Destroying => key.destroy_after.is_some(),
        State::Pending | State::Active | State::Destroyed => false,
    }
}

/// A key as its provider is told of it.
pub(super) fn key_ref(key: &Key) -> KeyRef {
    KeyRef { id: key.id, handle: key.handle.clone() }
}

/// The signature that custody saw, if the provider's answer is that one.
fn checked(
    key: &Key,
    input: &Input,
    loaded: &Loaded,
    answer: Result<Vec<u8>, Failure>,
    seen: Seen,
) -> Result<Signature> {
    let answer = answer.map_err(|failure| match seen.failure {
        // Of a scheme that its provider offers, only the custodian knows whether it has it.
        Some(seen) if seen.kind == FailureKind::Unsupported => Error::Unsupported,
        // And a provider says how long its messages may be, but not how short.
        Some(seen) if seen.kind == FailureKind::InvalidArgument && input.length() == 0 => {
            Error::invalid("message", "is empty, and this key's custodian signs none that is")
        }
        seen => meaning(seen.unwrap_or(failure)),
    })?;
    let answered = Signature::new(key.key_type, answer);

    match seen.signature {
        Some(signature) if answered.as_ref() == Some(&signature) => Ok(signature),
        Some(_) => Err(Error::internal(format!(
            "provider `{}` answered with another signature than the one custody saw made",
            loaded.name
        ))),
        None => Err(Error::internal(format!(
            "provider `{}` answered with a signature that custody never saw made",
            loaded.name
        ))),
    }
}

/// What a failure at a key that has a row means to its caller: little of it is the caller's fault.
pub(super) fn meaning(failure: Failure) -> Error {
    let retry_after = failure.retry_after;

    match failure.kind {
        FailureKind::Throttled => {
            Error::Throttled { retry_after: retry_after.unwrap_or(std::time::Duration::from_secs(1)) }
        }
        FailureKind::Unavailable => match (Error::unavailable(failure), retry_after) {
            (Error::Unavailable { cause, .. }, Some(retry_after)) => {
                Error::Unavailable { retry_after, cause }
            }
            (error, _) => error,
        },
        FailureKind::NotFound | FailureKind::KeyGone => Error::KeyLost(cause(failure)),
        FailureKind::Denied | FailureKind::Credentials | FailureKind::OperatorNeeded => {
            Error::Misconfigured(cause(failure))
        }
        FailureKind::InvalidArgument
        | FailureKind::Exists
        | FailureKind::Unsupported
        | FailureKind::Internal
        | FailureKind::Other => Error::internal(failure),
    }
}

fn cause(failure: Failure) -> Cause {
    Arc::new(failure)
}

/// Enough to keep a token with some sessions busy, and too few to keep other callers from it.
const AT_ONCE: usize = 16;
