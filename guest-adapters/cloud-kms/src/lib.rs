//! What the providers of key management services have in common: each names the key, uses it and lets go of it, and keeps
//! nothing. They differ in what their service offers.

use keyport_sdk::cloud_kms::{How, Key};
use keyport_sdk::{
    CloudKms, CreateRequest, Created, Descriptor, Hash, KeyRef, KeyType, Provider, Result, Scheme,
    SignRequest,
};

/// A service that says what it offers.
pub trait Service {
    /// Its name, for people, and every key type it can make with the schemes of such keys.
    fn offers(descriptor: Descriptor) -> Descriptor;

    /// Its name, for people.
    const NAME: &'static str;
}

/// Keys of the one connection that is granted, found by their key-id.
#[derive(Clone, Copy, Debug)]
pub struct Keys<S, T> {
    host: T,
    service: std::marker::PhantomData<S>,
}

impl<S, T> Keys<S, T> {
    /// The service's keys, reached through `host`.
    pub fn new(host: T) -> Self {
        Self { host, service: std::marker::PhantomData }
    }
}

impl<S: Service, T: CloudKms> Provider for Keys<S, T> {
    fn describe(&self) -> Descriptor {
        S::offers(Descriptor::new(S::NAME, env!("CARGO_PKG_VERSION")))
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let key = self.host.create_key(THE_ONE, &request.key_id, request.key_type.into())?;

        Ok(Created { handle: None, public_key: key.public_key()? })
    }

    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
        self.host.find_key(THE_ONE, &key.key_id)?.public_key()
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        self.host.find_key(THE_ONE, &request.key.key_id)?.sign(How::from(request.scheme))
    }

    fn destroy_key(&self, key: &KeyRef) -> Result<()> {
        self.host.find_key(THE_ONE, &key.key_id)?.schedule_deletion()
    }

    fn health(&self) -> Result<()> {
        self.host.service_health(THE_ONE)
    }
}

/// Adds elliptic curves, whose keys sign digests of every hash.
#[must_use]
pub fn curves(descriptor: Descriptor, key_types: &[KeyType]) -> Descriptor {
    key_types
        .iter()
        .fold(descriptor, |descriptor, key_type| descriptor.offer(*key_type, Hash::ALL.map(Scheme::Ecdsa)))
}

/// Adds RSA keys of every size, which sign by both schemes with every hash.
#[must_use]
pub fn rsa(descriptor: Descriptor) -> Descriptor {
    let schemes = [Hash::ALL.map(Scheme::RsaPkcs1v15), Hash::ALL.map(Scheme::RsaPss)].concat();

    [KeyType::Rsa2048, KeyType::Rsa3072, KeyType::Rsa4096]
        .into_iter()
        .fold(descriptor, |descriptor, key_type| descriptor.offer(key_type, schemes.clone()))
}

/// Adds ML-DSA, whose keys sign messages.
#[must_use]
pub fn ml_dsa(descriptor: Descriptor) -> Descriptor {
    [KeyType::MlDsa44, KeyType::MlDsa65, KeyType::MlDsa87]
        .into_iter()
        .fold(descriptor, |descriptor, key_type| descriptor.offer(key_type, [Scheme::MlDsa]))
}

/// The connection that needs no name.
const THE_ONE: Option<&str> = None;

#[cfg(test)]
mod tests {
    use keyport_sdk::cloud_kms::KeySpec;
    use keyport_sdk::testing::{Call, CloudKmsCall, Host};
    use keyport_sdk::{Error, Input, Usage};

    use super::*;

    struct Some;

    impl Service for Some {
        fn offers(descriptor: Descriptor) -> Descriptor {
            rsa(curves(descriptor, &[KeyType::EcP256]))
        }

        const NAME: &'static str = "some";
    }

    fn keys(host: &Host) -> Keys<Some, &Host> {
        Keys::new(host)
    }

    #[test]
    fn a_key_is_made_by_its_id_and_has_no_handle() {
        let host = Host::new().answer(Ok(b"spki".to_vec()));

        let created = keys(&host).create_key(&create()).unwrap();

        assert_eq!(created, Created { handle: None, public_key: b"spki".to_vec() });
        assert_eq!(
            host.calls(),
            [
                CloudKmsCall::CreateKey { connection: None, id: ID.to_owned(), spec: KeySpec::EccNistP384 },
                CloudKmsCall::PublicKey { id: ID.to_owned() },
                CloudKmsCall::Drop { id: ID.to_owned() },
            ]
            .map(Call::CloudKms)
        );
    }

    #[test]
    fn a_signature_is_three_calls() {
        let host = Host::new().answer(Ok(b"signature".to_vec()));
        let scheme = Scheme::RsaPss(Hash::Sha384);

        assert_eq!(keys(&host).sign(&request(scheme)), Ok(b"signature".to_vec()));
        assert_eq!(
            host.calls(),
            [
                CloudKmsCall::FindKey { connection: None, id: ID.to_owned() },
                CloudKmsCall::Sign { id: ID.to_owned(), how: How::from(scheme) },
                CloudKmsCall::Drop { id: ID.to_owned() },
            ]
            .map(Call::CloudKms)
        );
    }

    #[test]
    fn what_the_service_says_is_passed_on() {
        let error = Error::not_found("no such key").with_code(404);
        let host = Host::new()
            .answer(Err(error.clone()))
            .answer(Err(error.clone()))
            .answer(Ok(b"spki".to_vec()))
            .answer(Ok(Vec::new()))
            .answer(Err(error.clone()));
        let keys = keys(&host);

        assert_eq!(keys.create_key(&create()), Err(error.clone()));
        assert_eq!(keys.sign(&request(Scheme::Ed25519)), Err(error.clone()));
        assert_eq!(keys.public_key(&key()), Ok(b"spki".to_vec()));
        assert_eq!(keys.destroy_key(&key()), Ok(()));
        assert_eq!(keys.health(), Err(error));
    }

    fn create() -> CreateRequest {
        CreateRequest {
            key_id: ID.to_owned(),
            tenant: "t".to_owned(),
            name: "n".to_owned(),
            key_type: KeyType::EcP384,
            usage: Usage::SIGN,
            labels: Vec::new(),
        }
    }

    fn request(scheme: Scheme) -> SignRequest {
        SignRequest { key: key(), scheme, input: Input::Digest(vec![7; 48]) }
    }

    fn key() -> KeyRef {
        KeyRef { key_id: ID.to_owned(), handle: None }
    }

    const ID: &str = "0123456789abcdef0123456789abcdef";
}
