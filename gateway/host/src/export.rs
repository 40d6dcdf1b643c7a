//! The exports of a provider, each as a value that can be called once.

use keyport_core::name::TenantId;
use keyport_core::provider::{CreateKey, Created, Descriptor, ImportKey, KeyRef, Sign};
use keyport_core::{Failure, FailureKind};
use wasmtime::Store;

use crate::bindings::types;
use crate::convert;
use crate::guest::State;
use crate::world::World;

/// A call of one export, and what it answers.
pub(crate) trait Export: Send + 'static {
    type Answer: Answer;
    /// Whether it makes a key or does away with one.
    const CHANGES: bool = false;

    /// Calls it. The outer error is a trap, the inner one the guest's own.
    fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Result<Self::Answer, types::Error>>> + Send;
}

/// What a guest can answer.
pub(crate) trait Answer: Send + 'static {
    /// Bytes of its longest part.
    fn longest(&self) -> usize;
}

impl Answer for () {
    fn longest(&self) -> usize {
        0
    }
}

impl Answer for Vec<u8> {
    fn longest(&self) -> usize {
        self.len()
    }
}

impl Answer for Created {
    fn longest(&self) -> usize {
        self.handle.as_ref().map_or(0, Vec::len).max(self.public_key.len())
    }
}

impl Answer for Descriptor {
    /// What a descriptor may hold is checked when it is read.
    fn longest(&self) -> usize {
        0
    }
}

/// `describe`.
pub(crate) struct DescribeExport;

impl Export for DescribeExport {
    type Answer = Descriptor;

    async fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<Descriptor, types::Error>> {
        Ok(Ok(convert::descriptor(world.provider.call_describe(store).await?)))
    }
}

/// `create-key`.
pub(crate) struct CreateExport(pub(crate) TenantId, pub(crate) CreateKey);

impl Export for CreateExport {
    type Answer = Created;
    const CHANGES: bool = true;

    async fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<Created, types::Error>> {
        let request = convert::create_request(&self.0, self.1);

        Ok(world.provider.call_create_key(store, &request).await?.map(convert::created))
    }
}

/// `import-key`.
pub(crate) struct ImportExport(pub(crate) TenantId, pub(crate) ImportKey);

impl Export for ImportExport {
    type Answer = Created;
    const CHANGES: bool = true;

    async fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<Created, types::Error>> {
        let Some(exports) = &world.import_key else {
            let failure = Failure::new(FailureKind::Unsupported, "the provider does not export `import-key`");
            return Ok(Err(convert::wit_error(&failure)));
        };
        let request = convert::import_request(&self.0, self.1);

        Ok(exports.call_import_key(store, &request).await?.map(convert::created))
    }
}

/// `public-key`.
pub(crate) struct PublicKeyExport(pub(crate) KeyRef);

impl Export for PublicKeyExport {
    type Answer = Vec<u8>;

    async fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<Vec<u8>, types::Error>> {
        world.provider.call_public_key(store, &convert::key_ref(&self.0)).await
    }
}

/// `sign`.
pub(crate) struct SignExport(pub(crate) Sign);

impl Export for SignExport {
    type Answer = Vec<u8>;

    async fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<Vec<u8>, types::Error>> {
        world.provider.call_sign(store, &convert::sign_request(&self.0)).await
    }
}

/// `destroy-key`.
pub(crate) struct DestroyExport(pub(crate) KeyRef);

impl Export for DestroyExport {
    type Answer = ();
    const CHANGES: bool = true;

    async fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        world.provider.call_destroy_key(store, &convert::key_ref(&self.0)).await
    }
}

/// `health`.
pub(crate) struct HealthExport;

impl Export for HealthExport {
    type Answer = ();

    async fn call(
        self,
        world: &World,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        world.provider.call_health(store).await
    }
}
