//! The import `pkcs11`: passes on what is asked, with the operation's id, and decides nothing.

use keyport_core::Failure;
use wasmtime::component::Resource;

use crate::bindings::pkcs11::{Host, HostKeyPair, KeyPairMechanism, Mechanism};
use crate::convert;
use crate::guest::State;
use crate::imports::Interface;
use crate::imports::held::Held;

impl Host for State {
    async fn health(&mut self, token: Option<String>) -> Result<(), Failure> {
        let connection = self.guest.connection(Interface::Pkcs11, token.as_deref())?;

        self.guest.capabilities.health(self.origin(connection)?).await
    }
}

impl HostKeyPair for State {
    fn find(&mut self, token: Option<String>, id: String) -> Result<Resource<Held>, Failure> {
        let target = self.named(Interface::Pkcs11, token.as_deref(), id)?;

        self.hold(target, None)
    }

    async fn generate(
        &mut self,
        token: Option<String>,
        id: String,
        mechanism: KeyPairMechanism,
    ) -> Result<Resource<Held>, Failure> {
        let target = self.named(Interface::Pkcs11, token.as_deref(), id)?;
        let key_type = convert::generated_key_type(mechanism)?;
        let public = self.guest.capabilities.generate(target.clone(), key_type).await?;

        self.hold(target, Some(public))
    }

    async fn public_key(&mut self, key_pair: Resource<Held>) -> Result<Vec<u8>, Failure> {
        let held = self.held(&key_pair)?.clone();

        held.public_key(&*self.guest.capabilities).await
    }

    async fn sign(&mut self, key_pair: Resource<Held>, mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        let target = self.held(&key_pair)?.target.clone();

        self.guest.capabilities.sign(target, convert::pkcs11_mechanism(&mechanism)?).await
    }

    async fn destroy(&mut self, key_pair: Resource<Held>) -> Result<(), Failure> {
        let target = self.held(&key_pair)?.target.clone();

        self.guest.capabilities.destroy(target).await
    }

    fn drop(&mut self, key_pair: Resource<Held>) -> wasmtime::Result<()> {
        self.held.delete(key_pair)?;
        Ok(())
    }
}
