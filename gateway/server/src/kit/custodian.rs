//! A custodian that can be told to fail, to be slow, or to do its work and lose the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::import::Material;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::outbound::{Inbound, Outbound};
use keyport_core::outside::Clock;
use keyport_core::public_key::PublicKey;
use keyport_core::{Failure, FailureKind};

/// How custodians behave from now on.
#[derive(Clone, Debug)]
pub(crate) enum Conduct {
    /// As the custodian itself does.
    Well,
    /// Fails so, and does nothing.
    Fails(Failure),
    /// Does not answer before the deadline, and does nothing.
    Hangs,
    /// Does its work, and then says that it did not answer.
    LosesAnswers,
}

/// Tells custodians how to behave.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    conduct: Arc<Mutex<Conduct>>,
    clock: Arc<dyn Clock>,
}

impl Switch {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { conduct: Arc::new(Mutex::new(Conduct::Well)), clock }
    }

    pub(crate) fn set(&self, conduct: Conduct) {
        *self.conduct.lock().unwrap_or_else(PoisonError::into_inner) = conduct;
    }

    fn get(&self) -> Conduct {
        self.conduct.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does `work`, or what is done instead.
    async fn through<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match self.get() {
            Conduct::Well => work.await,
            Conduct::Fails(failure) => Err(failure),
            Conduct::Hangs => {
                self.clock.sleep_until(deadline).await;
                Err(Failure::new(FailureKind::Unavailable, "the custodian did not answer in time"))
            }
            Conduct::LosesAnswers => {
                work.await?;
                Err(Failure::new(FailureKind::Unavailable, "the custodian's answer was lost"))
            }
        }
    }
}

/// A custodian, and what tells it how to behave.
#[derive(Debug)]
pub(crate) struct Custodian {
    backend: Arc<dyn Backend>,
    switch: Switch,
}

impl Custodian {
    pub(crate) fn wrap(backend: Arc<dyn Backend>, switch: &Switch) -> Arc<dyn Backend> {
        Arc::new(Self { backend, switch: switch.clone() })
    }
}

#[async_trait]
impl Backend for Custodian {
    fn acts_outside(&self) -> bool {
        self.backend.acts_outside()
    }

    fn code_name(&self, code: u32) -> Option<&'static str> {
        self.backend.code_name(code)
    }

    fn is_verified(&self) -> bool {
        self.backend.is_verified()
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        self.switch.through(deadline, self.backend.generate(request, deadline)).await
    }

    async fn import(
        &self,
        request: Generate,
        material: Material,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        self.switch.through(deadline, self.backend.import(request, material, deadline)).await
    }

    async fn find(
        &self,
        tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        self.switch.through(deadline, self.backend.find(tenant, key_id, deadline)).await
    }

    async fn locate(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        self.switch.through(deadline, self.backend.locate(reference, deadline)).await
    }

    async fn identity(&self, deadline: Instant) -> Result<Option<String>, Failure> {
        self.switch.through(deadline, self.backend.identity(deadline)).await
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        self.switch.through(deadline, self.backend.public_key(object, deadline)).await
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        self.switch.through(deadline, self.backend.state(object, deadline)).await
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        self.switch.through(deadline, self.backend.sign(object, mechanism, input, deadline)).await
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
        self.switch.through(deadline, self.backend.send(request, native_id, deadline)).await
    }

    async fn forget(&self, object: &Object) {
        self.backend.forget(object).await;
    }

    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        self.switch.through(deadline, self.backend.destroy(object, deadline)).await
    }

    fn restores(&self) -> bool {
        self.backend.restores()
    }

    async fn restore(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        self.switch.through(deadline, self.backend.restore(object, deadline)).await
    }

    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        self.switch.through(deadline, self.backend.health(deadline)).await
    }
}
