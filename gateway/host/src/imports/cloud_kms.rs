//! The import `cloud-kms`: passes on what is asked, with the operation's id, and decides nothing.

use keyport_core::Failure;
use wasmtime::component::Resource;

use crate::bindings::cloud_kms::{Host, HostKey, KeySpec, KeyState, MessageType, SigningAlgorithm};
use crate::convert;
use crate::guest::State;
use crate::imports::Interface;
use crate::imports::held::Held;

impl Host for State {
    async fn health(&mut self, connection: Option<String>) -> Result<(), Failure> {
        let connection = self.guest.connection(Interface::CloudKms, connection.as_deref())?;

        self.guest.capabilities.health(self.origin(connection)?).await
    }
}

impl HostKey for State {
    fn find(&mut self, connection: Option<String>, id: String) -> Result<Resource<Held>, Failure> {
        let target = self.named(Interface::CloudKms, connection.as_deref(), id)?;

        self.hold(target, None)
    }

    async fn create(
        &mut self,
        connection: Option<String>,
        id: String,
        spec: KeySpec,
    ) -> Result<Resource<Held>, Failure> {
        let target = self.named(Interface::CloudKms, connection.as_deref(), id)?;
        let public = self.guest.capabilities.generate(target.clone(), convert::key_spec(spec)).await?;

        self.hold(target, Some(public))
    }

    async fn public_key(&mut self, key: Resource<Held>) -> Result<Vec<u8>, Failure> {
        let held = self.held(&key)?.clone();

        held.public_key(&*self.guest.capabilities).await
    }

    async fn state(&mut self, key: Resource<Held>) -> Result<KeyState, Failure> {
        let target = self.held(&key)?.target.clone();

        self.guest.capabilities.state(target).await.map(convert::key_state)
    }

    async fn sign(
        &mut self,
        key: Resource<Held>,
        algorithm: SigningAlgorithm,
        message_type: MessageType,
    ) -> Result<Vec<u8>, Failure> {
        let target = self.held(&key)?.target.clone();
        let mechanism = convert::signing_algorithm(algorithm, message_type)?;

        self.guest.capabilities.sign(target, mechanism).await
    }

    async fn schedule_deletion(&mut self, key: Resource<Held>) -> Result<(), Failure> {
        let target = self.held(&key)?.target.clone();

        self.guest.capabilities.destroy(target).await
    }

    fn drop(&mut self, key: Resource<Held>) -> wasmtime::Result<()> {
        self.held.delete(key)?;
        Ok(())
    }
}
