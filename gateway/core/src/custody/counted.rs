//! Counts the failures of a backend, by what its custodian calls them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;

use super::Mechanism;
use crate::backend::{Backend, Generate, Generated, KeyState, Object};
use crate::failure::Failure;
use crate::import::Material;
use crate::key::{KeyId, NativeId};
use crate::name::{ConnectionName, TenantId};
use crate::outbound::{Inbound, Outbound};
use crate::public_key::PublicKey;

/// How often custodians failed so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures(Arc<Mutex<BTreeMap<(ConnectionName, String), u64>>>);

impl Failures {
    pub(super) fn counts(&self) -> Vec<CustodianFailures> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);

        let count = |((connection, code), count): (&(ConnectionName, String), &u64)| CustodianFailures {
            connection: connection.clone(),
            code: code.clone(),
            count: *count,
        };
        counts.iter().map(count).collect()
    }

    fn count(&self, connection: &ConnectionName, code: String) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((connection.clone(), code)).or_default() += 1;
    }
}

/// How often a custodian failed in one way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CustodianFailures {
    /// The connection to it.
    pub connection: ConnectionName,
    /// What it calls the failure (`CKR_DEVICE_ERROR`); where it has no word for it, what kind of failure it is.
    pub code: String,
    /// How often.
    pub count: u64,
}

/// A backend whose failures are counted.
#[derive(Debug)]
pub(super) struct Counted {
    connection: ConnectionName,
    backend: Arc<dyn Backend>,
    failures: Failures,
}

impl Counted {
    pub(super) fn new(connection: ConnectionName, backend: Arc<dyn Backend>, failures: Failures) -> Self {
        Self { connection, backend, failures }
    }

    fn seen<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        outcome.inspect_err(|failure| {
            let named = self.backend.code_name(failure.code).map(str::to_owned);
            let code = named.unwrap_or_else(|| match failure.code {
                0 => failure.kind.as_str().to_owned(),
                code => code.to_string(),
            });
            self.failures.count(&self.connection, code);
        })
    }
}

#[async_trait]
impl Backend for Counted {
    fn acts_outside(&self) -> bool {
        self.backend.acts_outside()
    }

    fn code_name(&self, code: u32) -> Option<&'static str> {
        self.backend.code_name(code)
    }

    fn is_verified(&self) -> bool {
        self.backend.is_verified()
    }

    fn takes_requests(&self) -> bool {
        self.backend.takes_requests()
    }

    async fn send(
        &self,
        request: &Outbound,
        native_id: Option<&str>,
        deadline: Instant,
    ) -> Result<Inbound, Failure> {
        let answer = self.seen(self.backend.send(request, native_id, deadline).await)?;
        if answer.status >= FAILED {
            self.failures.count(&self.connection, answer.status.to_string());
        }

        Ok(answer)
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        self.seen(self.backend.generate(request, deadline).await)
    }

    async fn import(
        &self,
        request: Generate,
        material: Material,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        self.seen(self.backend.import(request, material, deadline).await)
    }

    async fn find(
        &self,
        tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        self.seen(self.backend.find(tenant, key_id, deadline).await)
    }

    async fn locate(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        self.seen(self.backend.locate(reference, deadline).await)
    }

    fn counterpart(&self, native_id: &NativeId) -> NativeId {
        self.backend.counterpart(native_id)
    }

    async fn identity(&self, deadline: Instant) -> Result<Option<String>, Failure> {
        self.seen(self.backend.identity(deadline).await)
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        self.seen(self.backend.public_key(object, deadline).await)
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        self.seen(self.backend.state(object, deadline).await)
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        self.seen(self.backend.sign(object, mechanism, input, deadline).await)
    }

    async fn forget(&self, object: &Object) {
        self.backend.forget(object).await;
    }

    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        self.seen(self.backend.destroy(object, deadline).await)
    }

    fn restores(&self) -> bool {
        self.backend.restores()
    }

    async fn restore(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        self.seen(self.backend.restore(object, deadline).await)
    }

    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        self.seen(self.backend.health(deadline).await)
    }
}

/// From this status on, an answer is a failure (RFC 9110, section 15.5).
const FAILED: u16 = 400;
