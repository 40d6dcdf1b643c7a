//! A provider that can do no more than every provider must: P-256 keys in the embedded token, and none of the optional
//! exports.

use keyport_sdk::{
    CreateRequest, Created, Descriptor, Gateway, Hash, KeyRef, KeyType, Mechanism, Provider, Result, Scheme,
    SignRequest, SoftToken,
};

keyport_sdk::export!(Plain(Gateway));

/// P-256 keys in the embedded token, named by their key-id.
#[derive(Clone, Copy, Debug)]
pub struct Plain<T>(pub T);

impl<T: SoftToken> Provider for Plain<T> {
    fn describe(&self) -> Descriptor {
        Descriptor::new("plain", env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, [Scheme::Ecdsa(Hash::Sha256)])
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let public_key = self.0.generate(&request.key_id, request.key_type)?;

        Ok(Created { handle: None, public_key })
    }

    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
        self.0.public_key(&key.key_id)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        self.0.sign(&request.key.key_id, Mechanism::try_from(request.scheme)?)
    }

    fn destroy_key(&self, key: &KeyRef) -> Result<()> {
        self.0.destroy(&key.key_id)
    }

    fn health(&self) -> Result<()> {
        self.0.health()
    }
}
