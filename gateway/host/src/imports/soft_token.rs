//! The import `soft-token`: passes on what is asked, with the operation's id, and decides nothing.

use keyport_core::custody::Target;
use keyport_core::provider::Call;
use keyport_core::{Failure, FailureKind};

use crate::bindings::soft_token::{Host, Mechanism};
use crate::bindings::types::KeyType;
use crate::convert;
use crate::guest::State;

impl Host for State {
    async fn generate(&mut self, key_id: String, key_type: KeyType) -> Result<Vec<u8>, Failure> {
        self.guest.capabilities.generate(self.target(key_id)?, convert::key_type(key_type)).await
    }

    async fn import_key(
        &mut self,
        key_id: String,
        key_type: KeyType,
        material: String,
    ) -> Result<Vec<u8>, Failure> {
        let target = self.target(key_id)?;

        self.guest.capabilities.import_key(target, convert::key_type(key_type), material).await
    }

    async fn public_key(&mut self, key_id: String) -> Result<Vec<u8>, Failure> {
        self.guest.capabilities.public_key(self.target(key_id)?).await
    }

    async fn sign(&mut self, key_id: String, mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        self.guest.capabilities.sign(self.target(key_id)?, convert::mechanism(mechanism)).await
    }

    async fn destroy(&mut self, key_id: String) -> Result<(), Failure> {
        self.guest.capabilities.destroy(self.target(key_id)?).await
    }

    async fn health(&mut self) -> Result<(), Failure> {
        let connection = self.guest.soft.clone().ok_or_else(denied)?;

        self.guest.capabilities.health(self.serving()?.operation, self.guest.id, connection).await
    }
}

impl State {
    fn target(&self, object: String) -> Result<Target, Failure> {
        Ok(Target {
            operation: self.serving()?.operation,
            provider: self.guest.id,
            connection: self.guest.soft.clone().ok_or_else(denied)?,
            object,
        })
    }

    fn serving(&self) -> Result<&Call, Failure> {
        self.call.as_ref().ok_or_else(denied)
    }
}

fn denied() -> Failure {
    Failure::new(FailureKind::Denied, "no operation is open")
}
