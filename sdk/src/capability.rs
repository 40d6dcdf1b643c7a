//! What a provider can ask of the gateway, each capability a small trait.
//!
//! A provider that is generic over those it needs imports just those, and is tested natively with
//! [`testing::Host`](crate::testing::Host) in the gateway's place.

use std::time::Duration;

pub use crate::bindings::keyport::provider::log::Level;
use crate::bindings::keyport::provider::{clock, log, random, settings, soft_token};
use crate::types::{KeyType, Mechanism, Result};

/// The gateway's embedded token. Objects are named by the key-id they were made for.
///
/// No function takes the bytes to be signed: the gateway holds them. Whatever is asked for must be part of
/// the operation that the provider is being called for, or the answer is
/// [`Denied`](crate::ErrorKind::Denied).
pub trait SoftToken {
    /// Makes the key pair that the open create operation asks for and returns its public half:
    /// SubjectPublicKeyInfo, DER. Asked again for the same key-id it returns the same key.
    ///
    /// # Errors
    ///
    /// What the token says.
    fn generate(&self, key_id: &str, key_type: KeyType) -> Result<Vec<u8>>;

    /// Takes over the key pair that the open import operation holds and returns its public half:
    /// SubjectPublicKeyInfo, DER. `material` is the reference that came with the
    /// [request](crate::ImportRequest), and good for one call.
    ///
    /// # Errors
    ///
    /// What the token says: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where the halves of the key
    /// pair do not belong together.
    fn import_key(&self, key_id: &str, key_type: KeyType, material: &str) -> Result<Vec<u8>>;

    /// The public half of a key: SubjectPublicKeyInfo, DER.
    ///
    /// # Errors
    ///
    /// What the token says.
    fn public_key(&self, key_id: &str) -> Result<Vec<u8>>;

    /// Signs what the open operation holds. ECDSA signatures are r and s, each as long as the curve's order.
    ///
    /// # Errors
    ///
    /// What the token says.
    fn sign(&self, key_id: &str, mechanism: Mechanism) -> Result<Vec<u8>>;

    /// Erases a key pair. Succeeds when there is none.
    ///
    /// # Errors
    ///
    /// What the token says.
    fn destroy(&self, key_id: &str) -> Result<()>;

    /// Whether the token could sign now.
    ///
    /// # Errors
    ///
    /// Why it could not.
    fn health(&self) -> Result<()>;
}

/// The provider's own settings, as its configuration has them. Never a secret.
pub trait Settings {
    /// The value of one setting.
    fn setting(&self, name: &str) -> Option<String>;

    /// All settings, by name.
    fn settings(&self) -> Vec<(String, String)>;
}

/// Lines for the operator's log. A provider over its budget is not heard, and does not notice.
pub trait Log {
    /// Writes one line.
    fn log(&self, level: Level, message: &str);

    /// Writes a line that helps to find a mistake.
    fn debug(&self, message: &str) {
        self.log(Level::Debug, message);
    }

    /// Writes a line about something ordinary.
    fn info(&self, message: &str) {
        self.log(Level::Info, message);
    }

    /// Writes a line that somebody should see.
    fn warn(&self, message: &str) {
        self.log(Level::Warn, message);
    }

    /// Writes a line about something that went wrong.
    fn error(&self, message: &str) {
        self.log(Level::Error, message);
    }
}

/// Randomness from the gateway.
pub trait Random {
    /// This many random bytes, at most 4096; the gateway ends a provider that asks for more.
    fn random_bytes(&self, count: u32) -> Vec<u8>;
}

/// Time, as coarse as a log needs it.
pub trait Clock {
    /// How long ago 1970-01-01T00:00:00Z is, leap seconds not counted, to the millisecond.
    fn since_epoch(&self) -> Duration;
}

/// The gateway itself: every capability, by the component's imports.
///
/// Outside WebAssembly there is no gateway, and each of its functions panics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gateway;

impl SoftToken for Gateway {
    fn generate(&self, key_id: &str, key_type: KeyType) -> Result<Vec<u8>> {
        soft_token::generate(key_id, key_type)
    }

    fn import_key(&self, key_id: &str, key_type: KeyType, material: &str) -> Result<Vec<u8>> {
        soft_token::import_key(key_id, key_type, material)
    }

    fn public_key(&self, key_id: &str) -> Result<Vec<u8>> {
        soft_token::public_key(key_id)
    }

    fn sign(&self, key_id: &str, mechanism: Mechanism) -> Result<Vec<u8>> {
        soft_token::sign(key_id, mechanism)
    }

    fn destroy(&self, key_id: &str) -> Result<()> {
        soft_token::destroy(key_id)
    }

    fn health(&self) -> Result<()> {
        soft_token::health()
    }
}

impl Settings for Gateway {
    fn setting(&self, name: &str) -> Option<String> {
        settings::get(name)
    }

    fn settings(&self) -> Vec<(String, String)> {
        settings::all()
    }
}

impl Log for Gateway {
    fn log(&self, level: Level, message: &str) {
        log::log(level, message);
    }
}

impl Random for Gateway {
    fn random_bytes(&self, count: u32) -> Vec<u8> {
        random::bytes(count)
    }
}

impl Clock for Gateway {
    fn since_epoch(&self) -> Duration {
        Duration::from_millis(clock::now())
    }
}
