//! What a provider can ask of the gateway, each capability a small trait.
//!
//! A provider that is generic over those it needs imports just those, and is tested natively with
//! [`testing::Host`](crate::testing::Host) in the gateway's place.

use std::time::Duration;

pub use crate::bindings::keyport::provider::log::Level;
use crate::bindings::keyport::provider::{clock, cloud_kms, http, log, pkcs11, random, settings, soft_token};
use crate::cloud_kms::{How, Key, KeySpec, KeyState};
use crate::http::{Request, Response};
use crate::pkcs11::{KeyPair, KeyPairMechanism};
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

    /// Signs the message that the open operation holds by pure ML-DSA, with an empty context.
    ///
    /// # Errors
    ///
    /// What the token says.
    fn sign_ml_dsa(&self, key_id: &str) -> Result<Vec<u8>>;

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

/// Tokens behind PKCS#11 modules.
///
/// `token` is everywhere the name of a granted connection; a provider that is granted just one need not name it. No
/// function takes the bytes to be signed, as with [`SoftToken`], and what is not part of the operation is
/// [`Denied`](crate::ErrorKind::Denied).
///
/// A signature is three calls of the gateway, of which the token sees one:
///
/// ```
/// use keyport_sdk::pkcs11::{KeyPair, Mechanism};
/// use keyport_sdk::{Pkcs11, Result, SignRequest};
///
/// fn sign(host: &impl Pkcs11, request: &SignRequest) -> Result<Vec<u8>> {
///     let key_pair = host.find_key_pair(None, &request.key.key_id)?;
///
///     key_pair.sign(&Mechanism::from(request.scheme)) // Letting go of the key pair is the third.
/// }
/// ```
pub trait Pkcs11 {
    /// A key pair on a token.
    type KeyPair: KeyPair;

    /// Names the key pair of the operation's key, which costs no call of the token: whether it is there shows when it
    /// is used. `id` is the key-id that it was made for or registered under, or its CKA_ID as the gateway recorded it.
    ///
    /// # Errors
    ///
    /// [`Denied`](crate::ErrorKind::Denied) where no such token is granted;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where several are and none is named.
    fn find_key_pair(&self, token: Option<&str>, id: &str) -> Result<Self::KeyPair>;

    /// Makes the key pair that the open create operation asks for, with the key-id `id` as CKA_ID
    /// (C_GenerateKeyPair). Asked again for the same key-id it returns the same key pair.
    ///
    /// # Errors
    ///
    /// What the token says.
    fn generate_key_pair(
        &self,
        token: Option<&str>,
        id: &str,
        mechanism: KeyPairMechanism,
    ) -> Result<Self::KeyPair>;

    /// Whether the token could sign now.
    ///
    /// # Errors
    ///
    /// Why it could not.
    fn token_health(&self, token: Option<&str>) -> Result<()>;
}

/// Key management services: AWS KMS, Google Cloud KMS, Azure Key Vault, transit of Vault and OpenBao.
///
/// `connection` is everywhere the name of a granted connection; a provider that is granted just one need not name it. No
/// function takes the bytes to be signed, as with [`SoftToken`], and what is not part of the operation is
/// [`Denied`](crate::ErrorKind::Denied).
///
/// A signature is three calls of the gateway, of which the service sees one:
///
/// ```
/// use keyport_sdk::cloud_kms::{How, Key};
/// use keyport_sdk::{CloudKms, Result, SignRequest};
///
/// fn sign(host: &impl CloudKms, request: &SignRequest) -> Result<Vec<u8>> {
///     let key = host.find_key(None, &request.key.key_id)?;
///
///     key.sign(How::from(request.scheme)) // Letting go of the key is the third.
/// }
/// ```
pub trait CloudKms {
    /// A key that a service holds.
    type Key: Key;

    /// Names the operation's key, which costs no call of the service: whether it is there shows when it is used. `id` is the
    /// key-id that it was made for or registered under, or what the service calls it as the gateway recorded it.
    ///
    /// # Errors
    ///
    /// [`Denied`](crate::ErrorKind::Denied) where no such connection is granted;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where several are and none is named.
    fn find_key(&self, connection: Option<&str>, id: &str) -> Result<Self::Key>;

    /// Makes the key that the open create operation asks for, findable by the key-id `id`, and waits until it can sign. Asked
    /// again for the same key-id it returns the same key.
    ///
    /// # Errors
    ///
    /// What the service says.
    fn create_key(&self, connection: Option<&str>, id: &str, spec: KeySpec) -> Result<Self::Key>;

    /// Whether the service could sign now.
    ///
    /// # Errors
    ///
    /// Why it could not.
    fn service_health(&self, connection: Option<&str>) -> Result<()>;
}

/// A custodian that speaks HTTP.
///
/// The grant lists every request that may be sent, by operation. Paths are written as the grant has them, with `{key}` for
/// what the custodian calls the operation's key: the gateway fills that in. It also knows the host and the credential.
///
/// ```
/// use keyport_sdk::http::Request;
/// use keyport_sdk::{Http, Result, SignRequest};
///
/// fn sign(host: &impl Http, digest: &[u8]) -> Result<Vec<u8>> {
///     let request = Request::post("/keys/{key}/sign").body(digest);
///
///     Ok(host.send(None, &request)?.success()?.body)
/// }
/// ```
pub trait Http {
    /// Sends a request and waits for the response, whatever its status. `connection` is the name of a granted connection;
    /// a provider that is granted just one need not name it.
    ///
    /// # Errors
    ///
    /// [`Denied`](crate::ErrorKind::Denied) where it is not part of the operation, or was sent too often;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) where there was no response.
    fn send(&self, connection: Option<&str>, request: &Request) -> Result<Response>;
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

    fn sign_ml_dsa(&self, key_id: &str) -> Result<Vec<u8>> {
        soft_token::sign_ml_dsa(key_id)
    }

    fn destroy(&self, key_id: &str) -> Result<()> {
        soft_token::destroy(key_id)
    }

    fn health(&self) -> Result<()> {
        soft_token::health()
    }
}

impl Pkcs11 for Gateway {
    type KeyPair = pkcs11::KeyPair;

    fn find_key_pair(&self, token: Option<&str>, id: &str) -> Result<pkcs11::KeyPair> {
        pkcs11::KeyPair::find(token, id)
    }

    fn generate_key_pair(
        &self,
        token: Option<&str>,
        id: &str,
        mechanism: KeyPairMechanism,
    ) -> Result<pkcs11::KeyPair> {
        pkcs11::KeyPair::generate(token, id, mechanism)
    }

    fn token_health(&self, token: Option<&str>) -> Result<()> {
        pkcs11::health(token)
    }
}

impl KeyPair for pkcs11::KeyPair {
    fn public_key(&self) -> Result<Vec<u8>> {
        Self::public_key(self)
    }

    fn sign(&self, mechanism: &pkcs11::Mechanism) -> Result<Vec<u8>> {
        Self::sign(self, mechanism)
    }

    fn destroy(&self) -> Result<()> {
        Self::destroy(self)
    }
}

impl CloudKms for Gateway {
    type Key = cloud_kms::Key;

    fn find_key(&self, connection: Option<&str>, id: &str) -> Result<cloud_kms::Key> {
        cloud_kms::Key::find(connection, id)
    }

    fn create_key(&self, connection: Option<&str>, id: &str, spec: KeySpec) -> Result<cloud_kms::Key> {
        cloud_kms::Key::create(connection, id, spec)
    }

    fn service_health(&self, connection: Option<&str>) -> Result<()> {
        cloud_kms::health(connection)
    }
}

impl Key for cloud_kms::Key {
    fn public_key(&self) -> Result<Vec<u8>> {
        Self::public_key(self)
    }

    fn state(&self) -> Result<KeyState> {
        Self::state(self).map(KeyState::from)
    }

    fn sign(&self, how: How) -> Result<Vec<u8>> {
        Self::sign(self, how.algorithm, how.message_type)
    }

    fn schedule_deletion(&self) -> Result<()> {
        Self::schedule_deletion(self)
    }
}

impl Http for Gateway {
    fn send(&self, connection: Option<&str>, request: &Request) -> Result<Response> {
        http::send(connection, request)
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
