//! What the gateway checks itself where custody sees only requests: that a new key is there, and that signatures are its own.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use super::make::handle;
use super::sign::{key_ref, meaning};
use super::{Context, Gateway};
use crate::custody::Seen;
use crate::failure::{Failure, FailureKind};
use crate::input::Input;
use crate::key::{Handle, Key};
use crate::name::RequestId;
use crate::outside::Random;
use crate::policy;
use crate::provider::{Call, Created, Loaded, Sign, spki};
use crate::scheme::Scheme;
use crate::signature::Signature;
use crate::{Error, Result};

impl Gateway {
    /// The row of a new key that its provider described, once that key has signed a challenge.
    ///
    /// Custody saw requests and no key, so the provider's word for the public half is taken, and then held against what
    /// the custodian can do: whoever is not able to sign with it cannot have it served.
    pub(super) async fn proven(
        &self,
        context: &Context,
        loaded: &Loaded,
        made: Key,
        created: Created,
    ) -> Result<(Key, Option<Handle>)> {
        let Some(native_id) = made.native_id.clone() else {
            return Err(Error::internal("the provider made nothing that custody knows a name of"));
        };
        let public = spki(&created.public_key).map_err(Error::internal)?;
        if public.key_type() != made.key_type {
            return Err(Error::internal("the provider answered with a key of another type"));
        }
        let handle = handle(created).map_err(Error::internal)?;
        let key = Key { handle: handle.clone(), ..made.made(native_id, public) };

        let key = Arc::new(key);
        let request_id = Some(context.request_id.clone());
        self.challenged(loaded, Arc::clone(&key), request_id, context.deadline)
            .await
            .map_err(|error| Error::internal(format!("the new key does not sign: {}", error.detail())))?;

        Ok((Key { handle: None, ..Arc::unwrap_or_clone(key) }, handle))
    }

    /// The signature of a challenge by `key`, as `loaded` has it made, verified.
    pub(super) async fn challenged(
        &self,
        loaded: &Loaded,
        key: Arc<Key>,
        request_id: Option<RequestId>,
        deadline: Instant,
    ) -> Result<Signature> {
        let scheme = loaded.descriptor.scheme_of(key.key_type).ok_or(Error::Unsupported)?;
        let input = loaded.descriptor.handed(scheme, challenge(&*self.outside.random))?;
        let operation = policy::challenge(Arc::clone(&key), scheme, input.clone());
        let open = self.custody.open(operation, loaded, deadline);
        let call = Call { operation: open.id(), tenant: key.tenant.clone(), request_id, deadline };
        let sign = Sign { key: key_ref(&key), scheme, input: input.clone() };
        let answer = loaded.provider.sign(call, sign).await;
        let (seen, _) = open.close();

        verified(&key, (scheme, &input), answer, seen)
    }
}

/// The provider's answer, if it is the key's signature.
pub(super) fn verified(
    key: &Key,
    (scheme, input): (Scheme, &Input),
    answer: Result<Vec<u8>, Failure>,
    seen: Seen,
) -> Result<Signature> {
    let answer = answer.map_err(|failure| meaning(seen.failure.unwrap_or(failure)))?;
    let public = key.public.as_ref().ok_or_else(|| Error::internal("a key without a public half"))?;
    let signature = Signature::new(key.key_type, answer);
    let signature = signature
        .ok_or_else(|| Error::internal("the provider answered no signature of a key of this type"))?;

    if public.verifies(scheme, input, &signature)? {
        Ok(signature)
    } else {
        Err(meaning(Failure::new(
            FailureKind::Internal,
            "the provider answered with a signature that is not the key's",
        )))
    }
}

/// Something that nobody else asks a signature of.
fn challenge(random: &dyn Random) -> Input {
    let mut nonce = [0; 32];
    random.fill(&mut nonce);

    Input::Message([CHALLENGE, &nonce].concat().into())
}

/// What every challenge begins with, so that none is a message of another protocol.
const CHALLENGE: &[u8] = b"Keyport: this key is in my possession.\0";
