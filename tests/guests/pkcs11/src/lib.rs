//! A provider that misbehaves over PKCS#11 as it is told: what custody and the host refuse is tested with it.
//!
//! It works as the provider of a token does, but for what the setting `mode` asks of it: see [`Mode`]. Where it asks
//! the gateway for something forbidden, it answers what came of that, so that a test sees the refusal.
#![expect(clippy::wildcard_enum_match_arm, reason = "each function picks the few modes that concern it")]

mod mode;
mod sign;

use keyport_sdk::pkcs11::{KeyPair, KeyPairMechanism, Mechanism};
use keyport_sdk::{
    CreateRequest, Created, Descriptor, Gateway, Hash, KeyRef, KeyType, Pkcs11, Provider, Result, Scheme,
    Settings, SignRequest,
};

pub use crate::mode::Mode;

keyport_sdk::export!(Hostile(Gateway));

/// The provider that misbehaves, over a gateway or a test's.
#[derive(Clone, Copy, Debug)]
pub struct Hostile<H>(pub H);

impl<H: Pkcs11<KeyPair: 'static> + Settings> Provider for Hostile<H> {
    fn describe(&self) -> Descriptor {
        let rsa = [Hash::ALL.map(Scheme::RsaPkcs1v15), Hash::ALL.map(Scheme::RsaPss)].concat();
        let mut descriptor = Descriptor::new("hostile-pkcs11", env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, Hash::ALL.map(Scheme::Ecdsa))
            .offer(KeyType::Rsa2048, rsa);

        if Mode::of(&self.0) == Ok(Mode::SignInDescribe) {
            let outcome = format!("{:?}", self.sign_object());
            descriptor.properties.push(("sign-in-describe".to_owned(), outcome));
        }
        descriptor
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let mut mechanism = request.key_type.into();
        match Mode::of(&self.0)? {
            Mode::OtherKeyType => mechanism = KeyPairMechanism::CkmRsaPkcsKeyPairGen(2048),
            Mode::SignInCreate => {
                self.0.find_key_pair(None, &request.key_id)?.sign(&Mechanism::CkmEcdsa)?;
            }
            _ => (),
        }

        let key_pair = self.0.generate_key_pair(None, &request.key_id, mechanism)?;
        Ok(Created { handle: None, public_key: key_pair.public_key()? })
    }

    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
        self.0.find_key_pair(None, &key.key_id)?.public_key()
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        sign::sign(&self.0, Mode::of(&self.0)?, request)
    }

    fn destroy_key(&self, key: &KeyRef) -> Result<()> {
        self.0.find_key_pair(None, &key.key_id)?.destroy()
    }

    fn health(&self) -> Result<()> {
        match Mode::of(&self.0)? {
            Mode::SignInHealth => self.sign_object().map(drop),
            _ => self.0.token_health(None),
        }
    }
}

impl<H: Pkcs11 + Settings> Hostile<H> {
    fn sign_object(&self) -> Result<Vec<u8>> {
        self.0.find_key_pair(None, &setting(&self.0, "object"))?.sign(&Mechanism::CkmEcdsa)
    }
}

/// What a setting says; nothing without it.
fn setting(settings: &impl Settings, name: &str) -> String {
    settings.setting(name).unwrap_or_default()
}
