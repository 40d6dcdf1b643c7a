//! A provider that misbehaves as it is told: the gateway's limits are tested with it.
//!
//! It works as the provider of the embedded token does, but for what the setting `mode` asks of it: see
//! [`Mode`]. Where it asks the gateway for something forbidden, it answers what came of that, so that a test
//! sees the refusal.
#![expect(clippy::wildcard_enum_match_arm, reason = "each function picks the few modes that concern it")]

mod create;
mod exhaust;
mod import;
mod mode;
mod sign;

use keyport_sdk::{
    Clock, CreateRequest, Created, Descriptor, Error, Gateway, Hash, ImportKey, ImportRequest, KeyRef,
    KeyType, Log, Mechanism, Provider, Random, Result, Scheme, Settings, SignRequest, SoftToken,
};

pub use crate::mode::Mode;

keyport_sdk::export!(Hostile(Gateway), ImportKey);

/// The provider that misbehaves, over a gateway or a test's.
#[derive(Clone, Copy, Debug)]
pub struct Hostile<H>(pub H);

/// Every capability that a provider may use.
pub trait Everything: Clock + Log + Random + Settings + SoftToken {}

impl<H: Clock + Log + Random + Settings + SoftToken> Everything for H {}

impl<H: Everything> Provider for Hostile<H> {
    fn describe(&self) -> Descriptor {
        let ecdsa = Hash::ALL.map(Scheme::Ecdsa);
        let rsa = [Hash::ALL.map(Scheme::RsaPkcs1v15), Hash::ALL.map(Scheme::RsaPss)].concat();
        let mut descriptor = Descriptor::new("hostile", env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, ecdsa)
            .offer(KeyType::EcP384, ecdsa)
            .offer(KeyType::EcP521, ecdsa)
            .offer(KeyType::Ed25519, [Scheme::Ed25519])
            .offer(KeyType::Rsa2048, rsa);

        match Mode::of(&self.0) {
            Ok(Mode::Moody) => {
                let mood = format!("{:?}", self.0.random_bytes(8));
                descriptor.properties.push(("mood".to_owned(), mood));
            }
            Ok(Mode::RepeatScheme) => {
                for offer in &mut descriptor.offers {
                    offer.schemes.extend_from_within(..1);
                }
            }
            Ok(Mode::PanicDescribe) => panicking("describe"),
            Ok(Mode::SignInDescribe) => {
                let outcome = format!("{:?}", self.sign_object());
                descriptor.properties.push(("sign-in-describe".to_owned(), outcome));
            }
            _ => (),
        }

        descriptor
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        create::create(&self.0, Mode::of(&self.0)?, request)
    }

    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
        let public_key = || self.0.public_key(&key.key_id);

        match Mode::of(&self.0)? {
            Mode::Opaque => public_key().map_err(opaque),
            Mode::PanicPublicKey => panicking("public-key"),
            _ => public_key(),
        }
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        sign::sign(&self.0, Mode::of(&self.0)?, request)
    }

    fn destroy_key(&self, key: &KeyRef) -> Result<()> {
        match Mode::of(&self.0)? {
            Mode::DestroyNothing => Ok(()),
            Mode::PanicDestroy => panicking("destroy-key"),
            _ => self.0.destroy(&key.key_id),
        }
    }

    fn health(&self) -> Result<()> {
        match Mode::of(&self.0)? {
            Mode::PanicHealth => panicking("health"),
            Mode::SignInHealth => self.sign_object().map(drop),
            Mode::SlowHealthLoop => exhaust::forever(),
            Mode::StrictSettings if self.0.settings().len() > 1 => panicking("health"),
            Mode::WellAnyway => Ok(()),
            _ => self.0.health(),
        }
    }
}

impl<H: Everything> ImportKey for Hostile<H> {
    fn import_key(&self, request: &ImportRequest) -> Result<Created> {
        import::import(&self.0, Mode::of(&self.0)?, request)
    }
}

impl<H: Everything> Hostile<H> {
    fn sign_object(&self) -> Result<Vec<u8>> {
        self.0.sign(&object(&self.0), Mechanism::Ecdsa)
    }
}

/// The object that the setting `object` names.
fn object(settings: &impl Settings) -> String {
    settings.setting("object").unwrap_or_default()
}

/// What a custodian said, without any of it.
fn opaque(_error: Error) -> Error {
    Error::internal("something went wrong")
}

#[expect(clippy::panic, reason = "as it was told")]
fn panicking(function: &str) -> ! {
    panic!("{function} panics, as it was told");
}
