//! Verifies signatures with the public half of a key, in native code: no custodian is asked.

use std::sync::Arc;

use super::{Context, Gateway};
use crate::audit::{Event, Operation};
use crate::caller::{Caller, Verb};
use crate::input::Input;
use crate::key::KeyName;
use crate::policy::{self, How};
use crate::signature::Signature;
use crate::{Error, Result};

/// A signature that a caller wants verified.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// With which of its keys; a released one will do.
    pub name: KeyName,
    /// How it is said to be made.
    pub how: How,
    /// Over what.
    pub input: Input,
    /// The signature: ECDSA as r and s or as DER, others as their standard has them.
    pub signature: Vec<u8>,
}

impl Gateway {
    /// Whether a signature is one of the key's. A refusal is recorded; an answer is not an event.
    pub async fn verify(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        context: Context,
        request: VerifyRequest,
    ) -> Result<bool> {
        let name = request.name.clone();

        match self.try_verify(caller, request).await {
            Ok(verified) => Ok(verified),
            Err(error) => {
                let draft = Event { key: Some(name), ..self.draft(caller, &context, Operation::Verify) };
                self.record(draft, Err(error), context.deadline).await
            }
        }
    }

    async fn try_verify(&self, caller: &Caller, request: VerifyRequest) -> Result<bool> {
        let _admitted = self.admit(caller, request.input.length())?;
        policy::allow(caller, Verb::Verify, &request.name)?;
        let key = self.resolvable(caller, &request.name).await?;
        let public = key.public.as_ref().ok_or(Error::KeyNotFound)?;

        let (scheme, input) = request.how.of(&key, request.input)?;
        let input = input.for_scheme(scheme)?;
        match Signature::new(key.key_type, request.signature) {
            Some(signature) => public.verifies(scheme, &input, &signature),
            None => Ok(false),
        }
    }
}
