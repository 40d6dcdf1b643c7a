//! The import `soft-token`: passes on what is asked, with the operation's id, and decides nothing.

use keyport_core::Failure;
use keyport_core::custody::{Mechanism as Signing, Target};

use crate::bindings::soft_token::{Host, Mechanism};
use crate::bindings::types::KeyType;
use crate::convert;
use crate::guest::State;
use crate::imports::Interface;

impl Host for State {
    async fn generate(&mut self, key_id: String, key_type: KeyType) -> Result<Vec<u8>, Failure> {
        self.guest.capabilities.generate(self.object(key_id)?, convert::key_type(key_type)).await
    }

    async fn import_key(
        &mut self,
        key_id: String,
        key_type: KeyType,
        material: String,
    ) -> Result<Vec<u8>, Failure> {
        let target = self.object(key_id)?;

        self.guest.capabilities.import_key(target, convert::key_type(key_type), material).await
    }

    async fn public_key(&mut self, key_id: String) -> Result<Vec<u8>, Failure> {
        self.guest.capabilities.public_key(self.object(key_id)?).await
    }

    async fn sign(&mut self, key_id: String, mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        self.guest.capabilities.sign(self.object(key_id)?, convert::mechanism(mechanism)).await
    }

    async fn sign_ml_dsa(&mut self, key_id: String) -> Result<Vec<u8>, Failure> {
        self.guest.capabilities.sign(self.object(key_id)?, Signing::MlDsa).await
    }

    async fn destroy(&mut self, key_id: String) -> Result<(), Failure> {
        self.guest.capabilities.destroy(self.object(key_id)?).await
    }

    async fn health(&mut self) -> Result<(), Failure> {
        let connection = self.guest.connection(Interface::SoftToken, None)?;

        self.guest.capabilities.health(self.origin(connection)?).await
    }
}

impl State {
    fn object(&self, key_id: String) -> Result<Target, Failure> {
        self.target(self.guest.connection(Interface::SoftToken, None)?, key_id)
    }
}
