//! The provider of the embedded token: one host call for whatever is asked, and nothing kept.

use keyport_sdk::{
    CreateRequest, Created, Descriptor, Gateway, Hash, ImportKey, ImportRequest, KeyRef, KeyType, Mechanism,
    Provider, Result, Scheme, SignRequest, SoftToken,
};

keyport_sdk::export!(Soft(Gateway), ImportKey);

/// Key pairs in the gateway's embedded token, named by their key-id.
#[derive(Clone, Copy, Debug)]
pub struct Soft<T>(pub T);

impl<T: SoftToken> Provider for Soft<T> {
    fn describe(&self) -> Descriptor {
        let ecdsa = Hash::ALL.map(Scheme::Ecdsa);
        let rsa = [Hash::ALL.map(Scheme::RsaPkcs1v15), Hash::ALL.map(Scheme::RsaPss)].concat();

        Descriptor::new("soft", env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, ecdsa)
            .offer(KeyType::EcP384, ecdsa)
            .offer(KeyType::EcP521, ecdsa)
            .offer(KeyType::Ed25519, [Scheme::Ed25519])
            .offer(KeyType::Rsa2048, rsa.clone())
            .offer(KeyType::Rsa3072, rsa.clone())
            .offer(KeyType::Rsa4096, rsa)
            .offer(KeyType::MlDsa44, [Scheme::MlDsa])
            .offer(KeyType::MlDsa65, [Scheme::MlDsa])
            .offer(KeyType::MlDsa87, [Scheme::MlDsa])
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let public_key = self.0.generate(&request.key_id, request.key_type)?;

        Ok(Created { handle: None, public_key })
    }

    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
        self.0.public_key(&key.key_id)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        let key_id = &request.key.key_id;

        if request.scheme == Scheme::MlDsa {
            return self.0.sign_ml_dsa(key_id);
        }
        self.0.sign(key_id, Mechanism::try_from(request.scheme)?)
    }

    fn destroy_key(&self, key: &KeyRef) -> Result<()> {
        self.0.destroy(&key.key_id)
    }

    fn health(&self) -> Result<()> {
        self.0.health()
    }
}

impl<T: SoftToken> ImportKey for Soft<T> {
    fn import_key(&self, request: &ImportRequest) -> Result<Created> {
        let public_key = self.0.import_key(&request.key_id, request.key_type, &request.material)?;

        Ok(Created { handle: None, public_key })
    }
}

#[cfg(test)]
mod tests {
    use keyport_sdk::testing::{Call, Host};
    use keyport_sdk::{Error, ErrorKind, Input, Usage};

    use super::*;

    #[test]
    fn a_key_is_made_by_its_id_and_has_no_handle() {
        let host = Host::new().answer(Ok(b"spki".to_vec()));
        let request = CreateRequest {
            key_id: ID.to_owned(),
            tenant: "t".to_owned(),
            name: "n".to_owned(),
            key_type: KeyType::EcP384,
            usage: Usage::SIGN,
            labels: Vec::new(),
        };

        let created = Soft(&host).create_key(&request).unwrap();

        assert_eq!(created, Created { handle: None, public_key: b"spki".to_vec() });
        assert_eq!(host.calls(), [Call::Generate { key_id: ID.to_owned(), key_type: KeyType::EcP384 }]);
    }

    #[test]
    fn a_key_is_taken_over_by_what_it_is_named_by() {
        let host = Host::new().answer(Ok(b"spki".to_vec()));
        let request = ImportRequest {
            key_id: ID.to_owned(),
            tenant: "t".to_owned(),
            name: "n".to_owned(),
            key_type: KeyType::Ed25519,
            usage: Usage::SIGN,
            labels: Vec::new(),
            material: "reference".to_owned(),
        };

        let created = Soft(&host).import_key(&request).unwrap();

        assert_eq!(created, Created { handle: None, public_key: b"spki".to_vec() });
        assert_eq!(
            host.calls(),
            [Call::ImportKey {
                key_id: ID.to_owned(),
                key_type: KeyType::Ed25519,
                material: "reference".to_owned(),
            }]
        );
    }

    #[test]
    fn a_signature_is_one_call() {
        let host = Host::new().answer(Ok(b"signature".to_vec()));

        assert_eq!(Soft(&host).sign(&request(Scheme::RsaPss(Hash::Sha384))), Ok(b"signature".to_vec()));
        assert_eq!(
            host.calls(),
            [Call::Sign { key_id: ID.to_owned(), mechanism: Mechanism::RsaPss(Hash::Sha384) }]
        );
    }

    #[test]
    fn ml_dsa_is_a_call_of_its_own() {
        let host = Host::new().answer(Ok(b"signature".to_vec()));

        assert_eq!(Soft(&host).sign(&request(Scheme::MlDsa)), Ok(b"signature".to_vec()));
        assert_eq!(host.calls(), [Call::SignMlDsa { key_id: ID.to_owned() }]);
    }

    #[test]
    fn a_scheme_the_token_lacks_is_refused_without_a_call() {
        let host = Host::new();

        assert_eq!(Soft(&host).sign(&request(Scheme::Ed25519ph)).unwrap_err().kind, ErrorKind::Unsupported);
        assert_eq!(host.calls(), []);
    }

    #[test]
    fn what_the_token_says_is_passed_on() {
        let error = Error::unavailable("sealed");
        let host = Host::new()
            .answer(Err(error.clone()))
            .answer(Ok(b"spki".to_vec()))
            .answer(Ok(Vec::new()))
            .answer(Err(error.clone()));
        let soft = Soft(&host);

        assert_eq!(soft.sign(&request(Scheme::Ed25519)), Err(error.clone()));
        assert_eq!(soft.public_key(&key()), Ok(b"spki".to_vec()));
        assert_eq!(soft.destroy_key(&key()), Ok(()));
        assert_eq!(soft.health(), Err(error));
        assert_eq!(
            host.calls(),
            [
                Call::Sign { key_id: ID.to_owned(), mechanism: Mechanism::Ed25519 },
                Call::PublicKey { key_id: ID.to_owned() },
                Call::Destroy { key_id: ID.to_owned() },
                Call::Health,
            ]
        );
    }

    #[test]
    fn every_offered_scheme_is_asked_for_and_each_key_type_is_offered_once() {
        let offers = Soft(&Host::new()).describe().offers;

        for offer in &offers {
            for scheme in &offer.schemes {
                let host = Host::new().answer(Ok(Vec::new()));
                assert!(Soft(&host).sign(&request(*scheme)).is_ok(), "{scheme}");
            }
            assert_eq!(offers.iter().filter(|other| other.key_type == offer.key_type).count(), 1);
        }
        assert_eq!(offers.len(), 10);
    }

    fn request(scheme: Scheme) -> SignRequest {
        SignRequest { key: key(), scheme, input: Input::Digest(vec![7; 48]) }
    }

    fn key() -> KeyRef {
        KeyRef { key_id: ID.to_owned(), handle: None }
    }

    const ID: &str = "0123456789abcdef0123456789abcdef";
}
