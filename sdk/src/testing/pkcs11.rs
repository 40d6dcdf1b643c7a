//! The tokens behind PKCS#11, as a test has them.

use super::{Call, Host};
use crate::capability::Pkcs11;
use crate::pkcs11::{self, KeyPairMechanism, Mechanism};
use crate::types::Result;

/// A call to a token behind PKCS#11.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is a function of Pkcs11 or of its key pairs, with its arguments")]
pub enum Pkcs11Call {
    Destroy {
        id: String,
    },
    /// A key pair was let go of.
    Drop {
        id: String,
    },
    FindKeyPair {
        token: Option<String>,
        id: String,
    },
    GenerateKeyPair {
        token: Option<String>,
        id: String,
        mechanism: KeyPairMechanism,
    },
    PublicKey {
        id: String,
    },
    Sign {
        id: String,
        mechanism: Mechanism,
    },
    TokenHealth {
        token: Option<String>,
    },
}

/// A key pair that a [`Host`] gave out.
#[derive(Debug)]
pub struct KeyPair<'a> {
    host: &'a Host,
    id: String,
    public: Option<Vec<u8>>,
}

impl<'a> Pkcs11 for &'a Host {
    type KeyPair = KeyPair<'a>;

    /// Takes no answer: no token is asked.
    fn find_key_pair(&self, token: Option<&str>, id: &str) -> Result<KeyPair<'a>> {
        let (token, id) = (token.map(str::to_owned), id.to_owned());
        self.record(Call::Pkcs11(Pkcs11Call::FindKeyPair { token, id: id.clone() }));

        Ok(KeyPair { host: self, id, public: None })
    }

    /// Takes an answer, which is then the new key pair's public half.
    fn generate_key_pair(
        &self,
        token: Option<&str>,
        id: &str,
        mechanism: KeyPairMechanism,
    ) -> Result<KeyPair<'a>> {
        let (token, id) = (token.map(str::to_owned), id.to_owned());
        let call = Pkcs11Call::GenerateKeyPair { token, id: id.clone(), mechanism };

        Ok(KeyPair { public: Some(self.call(Call::Pkcs11(call))?), host: self, id })
    }

    fn token_health(&self, token: Option<&str>) -> Result<()> {
        let token = token.map(str::to_owned);

        self.call(Call::Pkcs11(Pkcs11Call::TokenHealth { token })).map(drop)
    }
}

impl pkcs11::KeyPair for KeyPair<'_> {
    fn public_key(&self) -> Result<Vec<u8>> {
        let call = Call::Pkcs11(Pkcs11Call::PublicKey { id: self.id.clone() });

        match &self.public {
            Some(public) => {
                self.host.record(call);
                Ok(public.clone())
            }
            None => self.host.call(call),
        }
    }

    fn sign(&self, mechanism: &Mechanism) -> Result<Vec<u8>> {
        let (id, mechanism) = (self.id.clone(), mechanism.clone());

        self.host.call(Call::Pkcs11(Pkcs11Call::Sign { id, mechanism }))
    }

    fn destroy(&self) -> Result<()> {
        self.host.call(Call::Pkcs11(Pkcs11Call::Destroy { id: self.id.clone() })).map(drop)
    }
}

impl Drop for KeyPair<'_> {
    fn drop(&mut self) {
        self.host.record(Call::Pkcs11(Pkcs11Call::Drop { id: std::mem::take(&mut self.id) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkcs11::KeyPair;

    #[test]
    fn finding_takes_no_answer_and_letting_go_is_a_call() {
        let host = Host::new().answer(Ok(vec![1]));

        let found = (&host).find_key_pair(Some("hsm"), "a").unwrap();
        assert_eq!(found.sign(&Mechanism::CkmEcdsa), Ok(vec![1]));
        drop(found);

        assert_eq!(
            host.calls(),
            [
                Pkcs11Call::FindKeyPair { token: Some("hsm".to_owned()), id: "a".to_owned() },
                Pkcs11Call::Sign { id: "a".to_owned(), mechanism: Mechanism::CkmEcdsa },
                Pkcs11Call::Drop { id: "a".to_owned() },
            ]
            .map(Call::Pkcs11)
        );
    }

    #[test]
    fn a_generated_key_pair_knows_its_public_half_and_a_found_one_asks() {
        let host = Host::new().answer(Ok(vec![1])).answer(Ok(vec![2]));

        let made = (&host).generate_key_pair(None, "a", KeyPairMechanism::CkmEcEdwardsKeyPairGen).unwrap();
        let found = (&host).find_key_pair(None, "a").unwrap();

        assert_eq!((made.public_key(), found.public_key()), (Ok(vec![1]), Ok(vec![2])));
    }
}
