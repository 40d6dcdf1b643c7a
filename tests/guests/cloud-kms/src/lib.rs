//! A provider that misbehaves over key management services as it is told: what custody and the host refuse is tested with it.
//!
//! It works as the provider of such a service does, but for what the setting `mode` asks of it: see [`Mode`]. Where it asks the
//! gateway for something forbidden, it answers what came of that, so that a test sees the refusal.
#![expect(clippy::wildcard_enum_match_arm, reason = "each function picks the few modes that concern it")]

mod mode;

use keyport_sdk::cloud_kms::{How, Key, KeySpec, MessageType};
use keyport_sdk::{
    CloudKms, CreateRequest, Created, Descriptor, Error, ErrorKind, Gateway, Hash, KeyRef, KeyType, Provider,
    Result, Scheme, Settings, SignRequest,
};

pub use crate::mode::Mode;

keyport_sdk::export!(Hostile(Gateway));

/// The provider that misbehaves, over a gateway or a test's.
#[derive(Clone, Copy, Debug)]
pub struct Hostile<H>(pub H);

impl<H: CloudKms + Settings> Provider for Hostile<H> {
    fn describe(&self) -> Descriptor {
        let mut descriptor = Descriptor::new("hostile-cloud-kms", env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, Hash::ALL.map(Scheme::Ecdsa))
            .offer(KeyType::Ed25519, [Scheme::Ed25519]);

        if Mode::of(&self.0) == Ok(Mode::SignInDescribe) {
            let outcome = format!("{:?}", self.sign_object());
            descriptor.properties.push(("sign-in-describe".to_owned(), outcome));
        }
        descriptor
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let spec = match Mode::of(&self.0)? {
            Mode::OtherSpec => KeySpec::Rsa4096,
            _ => request.key_type.into(),
        };
        let key = self.0.create_key(None, &request.key_id, spec)?;

        Ok(Created { handle: None, public_key: key.public_key()? })
    }

    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
        self.0.find_key(None, &key.key_id)?.public_key()
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        let (id, how) = (&*request.key.key_id, How::from(request.scheme));
        match Mode::of(&self.0)? {
            Mode::CreateInSign => self.0.create_key(None, id, KeySpec::EccNistP256)?.sign(how),
            Mode::DeleteInSign => {
                let key = self.0.find_key(None, id)?;
                key.schedule_deletion()?;
                key.sign(how)
            }
            Mode::OtherAlgorithm => self.0.find_key(None, id)?.sign(Scheme::RsaPss(Hash::Sha256).into()),
            Mode::OtherConnection => self.0.find_key(Some(&setting(&self.0, "connection")), id)?.sign(how),
            Mode::OtherMessageType => self.0.find_key(None, id)?.sign(turned(how)),
            Mode::OtherObject => self.sign_object(),
            Mode::OtherState => {
                self.0.find_key(None, &setting(&self.0, "object"))?.state()?;
                self.0.find_key(None, id)?.sign(how)
            }
            Mode::State => {
                let state = self.0.find_key(None, id)?.state()?;
                Err(Error::new(ErrorKind::Other, format!("{state:?}")))
            }
            Mode::SignTwice => {
                let key = self.0.find_key(None, id)?;
                key.sign(how)?;
                key.sign(how)
            }
            _ => self.0.find_key(None, id)?.sign(how),
        }
    }

    fn destroy_key(&self, key: &KeyRef) -> Result<()> {
        self.0.find_key(None, &key.key_id)?.schedule_deletion()
    }

    fn health(&self) -> Result<()> {
        match Mode::of(&self.0)? {
            Mode::SignInHealth => self.sign_object().map(drop),
            _ => self.0.service_health(None),
        }
    }
}

impl<H: CloudKms + Settings> Hostile<H> {
    fn sign_object(&self) -> Result<Vec<u8>> {
        let object = setting(&self.0, "object");

        self.0.find_key(None, &object)?.sign(Scheme::Ecdsa(Hash::Sha256).into())
    }
}

/// The same with the other message type.
fn turned(how: How) -> How {
    let message_type = match how.message_type {
        MessageType::Digest => MessageType::Raw,
        MessageType::Raw => MessageType::Digest,
    };

    How { message_type, ..how }
}

/// What a setting says; nothing without it.
fn setting(settings: &impl Settings, name: &str) -> String {
    settings.setting(name).unwrap_or_default()
}
