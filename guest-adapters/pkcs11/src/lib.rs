//! The provider of a token behind PKCS#11: names the key's pair, uses it and lets go of it, and keeps nothing.

use keyport_sdk::pkcs11::{KeyPair, Mechanism};
use keyport_sdk::{
    CreateRequest, Created, Descriptor, Gateway, Hash, KeyRef, KeyType, Pkcs11, Provider, Result, Scheme,
    SignRequest,
};

keyport_sdk::export!(Token(Gateway));

/// Key pairs on the one token that is granted, found by their key-id.
#[derive(Clone, Copy, Debug)]
pub struct Token<T>(pub T);

impl<T: Pkcs11> Provider for Token<T> {
    fn describe(&self) -> Descriptor {
        let ecdsa = Hash::ALL.map(Scheme::Ecdsa);
        let rsa = [Hash::ALL.map(Scheme::RsaPkcs1v15), Hash::ALL.map(Scheme::RsaPss)].concat();

        Descriptor::new("pkcs11", env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, ecdsa)
            .offer(KeyType::EcP384, ecdsa)
            .offer(KeyType::EcP521, ecdsa)
            .offer(KeyType::EcSecp256k1, ecdsa)
            .offer(KeyType::Ed25519, [Scheme::Ed25519, Scheme::Ed25519ph])
            .offer(KeyType::Rsa2048, rsa.clone())
            .offer(KeyType::Rsa3072, rsa.clone())
            .offer(KeyType::Rsa4096, rsa)
            .handed_messages_for(Scheme::Ed25519ph)
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let key_pair = self.0.generate_key_pair(THE_ONE, &request.key_id, request.key_type.into())?;

        Ok(Created { handle: None, public_key: key_pair.public_key()? })
    }

    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
        self.0.find_key_pair(THE_ONE, &key.key_id)?.public_key()
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        self.0.find_key_pair(THE_ONE, &request.key.key_id)?.sign(&Mechanism::from(request.scheme))
    }

    fn destroy_key(&self, key: &KeyRef) -> Result<()> {
        self.0.find_key_pair(THE_ONE, &key.key_id)?.destroy()
    }

    fn health(&self) -> Result<()> {
        self.0.token_health(THE_ONE)
    }
}

/// The token that needs no name.
const THE_ONE: Option<&str> = None;

#[cfg(test)]
mod tests {
    use keyport_sdk::pkcs11::KeyPairMechanism;
    use keyport_sdk::testing::{Call, Host, Pkcs11Call};
    use keyport_sdk::{Error, Input, Usage};

    use super::*;

    #[test]
    fn a_key_is_made_by_its_id_and_has_no_handle() {
        let host = Host::new().answer(Ok(b"spki".to_vec()));

        let created = Token(&host).create_key(&create(KeyType::EcSecp256k1)).unwrap();

        assert_eq!(created, Created { handle: None, public_key: b"spki".to_vec() });
        let mechanism = KeyPairMechanism::from(KeyType::EcSecp256k1);
        assert_eq!(
            host.calls(),
            [
                Pkcs11Call::GenerateKeyPair { token: None, id: ID.to_owned(), mechanism },
                Pkcs11Call::PublicKey { id: ID.to_owned() },
                Pkcs11Call::Drop { id: ID.to_owned() },
            ]
            .map(Call::Pkcs11)
        );
    }

    #[test]
    fn a_signature_is_three_calls() {
        let host = Host::new().answer(Ok(b"signature".to_vec()));

        assert_eq!(Token(&host).sign(&request(Scheme::RsaPss(Hash::Sha384))), Ok(b"signature".to_vec()));
        let mechanism = Mechanism::from(Scheme::RsaPss(Hash::Sha384));
        assert_eq!(
            host.calls(),
            [
                Pkcs11Call::FindKeyPair { token: None, id: ID.to_owned() },
                Pkcs11Call::Sign { id: ID.to_owned(), mechanism },
                Pkcs11Call::Drop { id: ID.to_owned() },
            ]
            .map(Call::Pkcs11)
        );
    }

    #[test]
    fn no_function_makes_more_than_three_calls_and_each_lets_go_of_what_it_held() {
        let error = Error::unavailable("the token is away");

        for answer in [Ok(b"answer".to_vec()), Err(error)] {
            let calls = |work: &dyn Fn(Token<&Host>)| {
                let host = Host::new().answer(answer.clone());
                work(Token(&host));
                host.calls()
            };
            for calls in [
                calls(&|token| drop(token.create_key(&create(KeyType::Rsa2048)))),
                calls(&|token| drop(token.public_key(&key()))),
                calls(&|token| drop(token.sign(&request(Scheme::Ed25519)))),
                calls(&|token| drop(token.destroy_key(&key()))),
            ] {
                assert!(calls.len() <= 3, "{calls:?}");
                let held = calls.iter().filter(|call| matches!(call, Call::Pkcs11(Pkcs11Call::Drop { .. })));
                assert!(held.count() == 1 || answer.is_err() && calls.len() == 1, "{calls:?}");
            }
            assert_eq!(calls(&|token| drop(token.health())).len(), 1);
        }
    }

    #[test]
    fn what_the_token_says_is_passed_on() {
        let error = Error::not_found("no such object").with_code(0x82);
        let host = Host::new()
            .answer(Err(error.clone()))
            .answer(Err(error.clone()))
            .answer(Ok(b"spki".to_vec()))
            .answer(Ok(Vec::new()))
            .answer(Err(error.clone()));
        let token = Token(&host);

        assert_eq!(token.create_key(&create(KeyType::EcP256)), Err(error.clone()));
        assert_eq!(token.sign(&request(Scheme::Ecdsa(Hash::Sha256))), Err(error.clone()));
        assert_eq!(token.public_key(&key()), Ok(b"spki".to_vec()));
        assert_eq!(token.destroy_key(&key()), Ok(()));
        assert_eq!(token.health(), Err(error));
    }

    #[test]
    fn each_key_type_is_offered_once_and_the_token_hashes_for_ed25519ph_alone() {
        let Descriptor { offers, properties, .. } = Token(&Host::new()).describe();

        for offer in &offers {
            assert_eq!(offers.iter().filter(|other| other.key_type == offer.key_type).count(), 1);
            assert!(!offer.schemes.contains(&Scheme::MlDsa));
        }
        assert_eq!(offers.len(), 8);
        assert_eq!(properties, [("input:ed25519ph".to_owned(), "message".to_owned())]);
    }

    fn create(key_type: KeyType) -> CreateRequest {
        CreateRequest {
            key_id: ID.to_owned(),
            tenant: "t".to_owned(),
            name: "n".to_owned(),
            key_type,
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
