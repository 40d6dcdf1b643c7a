//! The provider of keys that the gateway derives from a seed, for development: Ed25519 and nothing else.
//!
//! The derivation happens behind the capability, in the gateway; this component sees neither the seed nor a key. It
//! reaches its connection through the import of the embedded token, whose words fit.

use keyport_sdk::{
    CreateRequest, Created, Descriptor, Gateway, KeyRef, KeyType, Mechanism, Provider, Result, Scheme,
    SignRequest, SoftToken,
};

keyport_sdk::export!(Derived(Gateway));

/// Key pairs that a connection of kind `derived` makes of a seed, named by their key-id.
#[derive(Clone, Copy, Debug)]
pub struct Derived<T>(pub T);

impl<T: SoftToken> Provider for Derived<T> {
    fn describe(&self) -> Descriptor {
        Descriptor::new("derived", env!("CARGO_PKG_VERSION")).offer(KeyType::Ed25519, [Scheme::Ed25519])
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

#[cfg(test)]
mod tests {
    use keyport_sdk::testing::{Call, Host};
    use keyport_sdk::{Input, Usage};

    use super::*;

    #[test]
    fn ed25519_is_all_that_is_offered() {
        let offers = Derived(&Host::new()).describe().offers;

        assert_eq!(offers.len(), 1);
        assert_eq!((offers[0].key_type, &offers[0].schemes[..]), (KeyType::Ed25519, &[Scheme::Ed25519][..]));
    }

    #[test]
    fn everything_asked_is_one_call_by_the_keys_id() {
        let host = Host::new()
            .answer(Ok(b"spki".to_vec()))
            .answer(Ok(b"signature".to_vec()))
            .answer(Ok(b"spki".to_vec()))
            .answer(Ok(Vec::new()))
            .answer(Ok(Vec::new()));
        let derived = Derived(&host);
        let request = CreateRequest {
            key_id: ID.to_owned(),
            tenant: "t".to_owned(),
            name: "n".to_owned(),
            key_type: KeyType::Ed25519,
            usage: Usage::SIGN,
            labels: Vec::new(),
        };
        let sign =
            SignRequest { key: key(), scheme: Scheme::Ed25519, input: Input::Message(b"message".to_vec()) };

        let created = derived.create_key(&request).unwrap();
        assert_eq!(created, Created { handle: None, public_key: b"spki".to_vec() });
        assert_eq!(derived.sign(&sign), Ok(b"signature".to_vec()));
        assert_eq!(derived.public_key(&key()), Ok(b"spki".to_vec()));
        assert_eq!(derived.destroy_key(&key()), Ok(()));
        assert_eq!(derived.health(), Ok(()));
        assert_eq!(
            host.calls(),
            [
                Call::Generate { key_id: ID.to_owned(), key_type: KeyType::Ed25519 },
                Call::Sign { key_id: ID.to_owned(), mechanism: Mechanism::Ed25519 },
                Call::PublicKey { key_id: ID.to_owned() },
                Call::Destroy { key_id: ID.to_owned() },
                Call::Health,
            ]
        );
    }

    fn key() -> KeyRef {
        KeyRef { key_id: ID.to_owned(), handle: None }
    }

    const ID: &str = "0123456789abcdef0123456789abcdef";
}
