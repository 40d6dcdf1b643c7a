//! Counts what guests ask of custody, refused or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use keyport_core::Failure;
use keyport_core::backend::KeyState;
use keyport_core::custody::{Capabilities, Mechanism, Origin, Target};
use keyport_core::outbound::{Inbound, Outbound};
use keyport_core::scheme::KeyType;

/// Custody, and how often it was asked for something.
#[derive(Debug)]
pub(crate) struct Counted {
    capabilities: Arc<dyn Capabilities>,
    asked: AtomicU64,
}

impl Counted {
    pub(crate) fn new(capabilities: Arc<dyn Capabilities>) -> Self {
        Self { capabilities, asked: AtomicU64::new(0) }
    }

    /// How often it was asked so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn counted(&self) -> &dyn Capabilities {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &*self.capabilities
    }
}

#[async_trait]
impl Capabilities for Counted {
    async fn generate(&self, target: Target, key_type: KeyType) -> Result<Vec<u8>, Failure> {
        self.counted().generate(target, key_type).await
    }

    async fn import_key(
        &self,
        target: Target,
        key_type: KeyType,
        reference: String,
    ) -> Result<Vec<u8>, Failure> {
        self.counted().import_key(target, key_type, reference).await
    }

    async fn public_key(&self, target: Target) -> Result<Vec<u8>, Failure> {
        self.counted().public_key(target).await
    }

    async fn state(&self, target: Target) -> Result<KeyState, Failure> {
        self.counted().state(target).await
    }

    async fn sign(&self, target: Target, mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        self.counted().sign(target, mechanism).await
    }

    async fn destroy(&self, target: Target) -> Result<(), Failure> {
        self.counted().destroy(target).await
    }

    async fn health(&self, origin: Origin) -> Result<(), Failure> {
        self.counted().health(origin).await
    }

    async fn request(&self, origin: Origin, request: Outbound) -> Result<Inbound, Failure> {
        self.counted().request(origin, request).await
    }
}
