//! The import `pkcs11`: passes on what is asked, with the operation's id, and decides nothing.

use keyport_core::custody::Target;
use keyport_core::{Failure, FailureKind};
use wasmtime::component::{Resource, ResourceTable};

use crate::bindings::pkcs11::{Host, HostKeyPair, KeyPairMechanism, Mechanism};
use crate::convert;
use crate::guest::State;
use crate::imports::Interface;
use crate::stats::Bound;

/// A key pair that a guest holds: a name, and good for the operation that it was named in.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct KeyPair {
    target: Target,
    /// What the token answered when it made the key pair.
    public: Option<Vec<u8>>,
}

impl Host for State {
    async fn health(&mut self, token: Option<String>) -> Result<(), Failure> {
        let connection = self.guest.connection(Interface::Pkcs11, token.as_deref())?;

        self.guest.capabilities.health(self.origin(connection)?).await
    }
}

impl HostKeyPair for State {
    fn find(&mut self, token: Option<String>, id: String) -> Result<Resource<KeyPair>, Failure> {
        let target = self.named(token.as_deref(), id)?;

        self.hold(KeyPair { target, public: None })
    }

    async fn generate(
        &mut self,
        token: Option<String>,
        id: String,
        mechanism: KeyPairMechanism,
    ) -> Result<Resource<KeyPair>, Failure> {
        let target = self.named(token.as_deref(), id)?;
        let key_type = convert::generated_key_type(mechanism)?;
        let public = self.guest.capabilities.generate(target.clone(), key_type).await?;

        self.hold(KeyPair { target, public: Some(public) })
    }

    async fn public_key(&mut self, key_pair: Resource<KeyPair>) -> Result<Vec<u8>, Failure> {
        let key_pair = self.key_pair(&key_pair)?;

        match &key_pair.public {
            Some(public) => Ok(public.clone()),
            None => self.guest.capabilities.public_key(key_pair.target.clone()).await,
        }
    }

    async fn sign(&mut self, key_pair: Resource<KeyPair>, mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        let target = self.key_pair(&key_pair)?.target.clone();

        self.guest.capabilities.sign(target, convert::pkcs11_mechanism(&mechanism)?).await
    }

    async fn destroy(&mut self, key_pair: Resource<KeyPair>) -> Result<(), Failure> {
        let target = self.key_pair(&key_pair)?.target.clone();

        self.guest.capabilities.destroy(target).await
    }

    fn drop(&mut self, key_pair: Resource<KeyPair>) -> wasmtime::Result<()> {
        self.held.delete(key_pair)?;
        Ok(())
    }
}

impl State {
    fn named(&self, token: Option<&str>, id: String) -> Result<Target, Failure> {
        if id.len() > LONGEST_ID {
            return Err(Failure::new(FailureKind::Denied, "no object has so long an id"));
        }

        self.target(self.guest.connection(Interface::Pkcs11, token)?, id)
    }

    fn hold(&mut self, key_pair: KeyPair) -> Result<Resource<KeyPair>, Failure> {
        self.held.push(key_pair).map_err(|_full| {
            self.guest.stats.hit(Bound::Resources);
            Failure::new(FailureKind::Internal, format!("bound `{}` was hit", Bound::Resources))
        })
    }

    fn key_pair(&self, held: &Resource<KeyPair>) -> Result<&KeyPair, Failure> {
        // The engine hands on no resource that the guest does not hold.
        self.held.get(held).map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))
    }
}

/// What a guest may hold at a time.
pub(crate) fn no_resources() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(RESOURCES);
    table
}

/// Resources that an instance may hold at a time, as the WIT package says. An operation is about one key.
const RESOURCES: usize = 16;

/// Bytes of an id that a guest may hold: far more than a CKA_ID has in any text, and little of the gateway's memory.
const LONGEST_ID: usize = 1024;
