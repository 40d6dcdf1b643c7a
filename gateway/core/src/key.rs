//! Keys as the gateway knows them: names and facts, never key material.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::name::{ConnectionName, ProviderName, TenantId};
use crate::outside::{Random, Timestamp};
use crate::public_key::PublicKey;
use crate::scheme::KeyType;
use crate::{Error, Result};

/// A row: what the gateway knows of one key pair.
///
/// Its life is `pending → active → released → destroying → destroyed`; a restore takes it back to `active`, from `released` at
/// once, and from `destroyed` by way of `destroying`. The methods that end in a past participle make the next row of it. Nothing is stored until [`Keys::update`](crate::store::Keys::update) accepts it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// Whose it is.
    pub tenant: TenantId,
    /// What its owner calls it. Several rows may share a name, but only one of them is active.
    pub name: KeyName,
    /// Made by the gateway, never reused: what the custodian's object is found by.
    pub id: KeyId,
    /// The kind of key pair.
    pub key_type: KeyType,
    /// Whether a SHA-512 digest that is to be signed is the message of pure Ed25519: of callers that hash before they ask,
    /// whatever the key. It was said when the key was made or taken up, and is never told from a length.
    pub digest_as_message: bool,
    /// Where it is in its life.
    pub state: State,
    /// The provider that made it and serves it.
    pub provider: ProviderName,
    /// What the provider wants back at each use. A hint; custody never trusts it.
    pub handle: Option<Handle>,
    /// The connection that has the object, written before the backend is first asked.
    pub connection: Option<ConnectionName>,
    /// What the backend calls the object, as the backend said it.
    pub native_id: Option<NativeId>,
    /// The public half, as the backend said it.
    pub public: Option<PublicKey>,
    /// Whether somebody else made the object, and only its use was given to the gateway: then it is not the gateway's
    /// to destroy.
    pub registered: bool,
    /// When the row was made.
    pub created: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
    /// When a released key is to be destroyed.
    pub destroy_after: Option<Timestamp>,
    /// The audit event of the last change of state; `None` until that is durable.
    pub event: Option<u64>,
    /// Counts the row's updates, for compare-and-set.
    pub revision: u64,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// The row is there, the custodian may or may not have the object.
    Pending,
    /// It signs.
    Active,
    /// It signs no more; its public half can still be resolved, and it can be restored.
    Released,
    /// The custodian has been asked to destroy it, perhaps more than once; or to take that back, and what becomes of nothing is
    /// destroyed.
    Destroying,
    /// The custodian confirmed. Where it keeps what it destroyed for a while, the key can be restored until then.
    Destroyed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Active, Self::Released, Self::Destroying, Self::Destroyed];

    /// The state's name in the store and in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Released => "released",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
        }
    }
}

impl Key {
    /// A new row, before anybody was asked for the key.
    #[must_use]
    pub fn pending(
        tenant: TenantId,
        name: KeyName,
        id: KeyId,
        key_type: KeyType,
        (provider, now): (ProviderName, Timestamp),
    ) -> Self {
        Self {
            tenant,
            name,
            id,
            key_type,
            digest_as_message: false,
            state: State::Pending,
            provider,
            handle: None,
            connection: None,
            native_id: None,
            public: None,
            registered: false,
            created: now,
            changed: now,
            destroy_after: None,
            event: None,
            revision: 0,
        }
    }

    /// The row of a key that takes digests as messages, if it was asked for. Only Ed25519 signs messages of any length and
    /// hashes none beforehand.
    pub fn taking_digests(self, as_message: bool) -> Result<Self> {
        if as_message && self.key_type != KeyType::Ed25519 {
            let reason =
                format!("a key of type {} signs digests as such; only ed25519 does not", self.key_type);
            return Err(Error::invalid("digests", reason));
        }

        Ok(Self { digest_as_message: as_message, ..self })
    }

    /// The row once it is known which connection will have the object.
    #[must_use]
    pub fn planned(&self, connection: ConnectionName) -> Self {
        Self { connection: Some(connection), ..self.clone() }
    }

    /// The row once it is known what the key is called at its custodian, while it is still pending.
    #[must_use]
    pub fn named(&self, native_id: NativeId) -> Self {
        Self { native_id: Some(native_id), ..self.clone() }
    }

    /// The row of a key whose object somebody else made, while it is still pending.
    #[must_use]
    pub fn registered(&self, connection: ConnectionName, native_id: NativeId, public: PublicKey) -> Self {
        Self { registered: true, ..self.planned(connection).made(native_id, public) }
    }

    /// The row with what the backend made, while it is still pending.
    #[must_use]
    pub fn made(&self, native_id: NativeId, public: PublicKey) -> Self {
        Self { native_id: Some(native_id), public: Some(public), ..self.clone() }
    }

    /// The row of a key that signs from now on; `event` is its creation in the audit log.
    #[must_use]
    pub fn activated(&self, handle: Option<Handle>, event: u64, now: Timestamp) -> Self {
        Self { state: State::Active, handle, event: Some(event), changed: now, ..self.clone() }
    }

    /// The row of a key that signs no more and is to be destroyed.
    #[must_use]
    pub fn released(&self, now: Timestamp, destroy_after: Timestamp) -> Self {
        Self {
            state: State::Released,
            changed: now,
            destroy_after: Some(destroy_after),
            event: None,
            ..self.clone()
        }
    }

    /// The row of a key that was given up and signs again; `event` is its restoration in the audit log.
    #[must_use]
    pub fn restored(&self, event: u64, now: Timestamp) -> Self {
        Self { state: State::Active, changed: now, destroy_after: None, event: Some(event), ..self.clone() }
    }

    /// The row of a key whose destruction has begun, or that stays destroyed unless all goes well from here on.
    #[must_use]
    pub fn destroying(&self, now: Timestamp) -> Self {
        Self { state: State::Destroying, changed: now, ..self.clone() }
    }

    /// The row of a key that is gone.
    #[must_use]
    pub fn destroyed(&self, now: Timestamp) -> Self {
        Self { state: State::Destroyed, changed: now, event: None, ..self.clone() }
    }

    /// The row once the event of its last change of state is durable.
    #[must_use]
    pub fn recorded(&self, event: u64) -> Self {
        Self { event: Some(event), ..self.clone() }
    }
}

/// What a tenant calls a key: 1 to 255 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// Checks `text`. `field` is what the contract calls it.
    pub fn new(field: &'static str, text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > 255 {
            return Err(Error::invalid(field, "must be 1 to 255 bytes long"));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::invalid(field, "must not contain control characters"));
        }

        Ok(Self(text.into()))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for KeyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the gateway and every custodian find a key by: 16 random bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// A new one.
    #[must_use]
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);

        Self(bytes)
    }

    /// The bytes, for custodians that identify objects by bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = BadKeyId;

    fn from_str(text: &str) -> Result<Self, BadKeyId> {
        let mut bytes = [0; 16];
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(BadKeyId),
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        hex::encode_to_slice(self.0, &mut text).map_err(|_never| fmt::Error)?;

        f.write_str(std::str::from_utf8(&text).map_err(|_never| fmt::Error)?)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no key-id.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a key-id has 32 lower-case hexadecimal digits")]
pub struct BadKeyId;

/// What a backend calls an object: a CKA_ID, an ARN, a version, a token row.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NativeId(Arc<str>);

impl NativeId {
    /// As the backend said it.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The id itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes that a provider returned for a key and gets back at each use: at most 4 KiB.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handle(Arc<[u8]>);

impl Handle {
    /// The longest handle, in bytes.
    pub const MAX: usize = 4096;

    /// `None` where `bytes` are too many.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= Self::MAX).then(|| Self(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_id_is_32_lower_case_digits_there_and_back() {
        let text = "000102030405060708090a0b0c0d0e0f";

        assert_eq!(text.parse::<KeyId>().unwrap().to_string(), text);
        for bad in ["", "00", &text.to_uppercase(), &format!("{text}00"), "zz0102030405060708090a0b0c0d0e0f"]
        {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_ed25519_takes_digests_as_messages() {
        let key = |key_type| {
            let (name, id) = (KeyName::new("name", "a").unwrap(), KeyId([0; 16]));
            let made_by = ("soft".parse().unwrap(), Timestamp(0));
            Key::pending("acme".parse().unwrap(), name, id, key_type, made_by)
        };

        for key_type in KeyType::ALL {
            assert!(!key(key_type).taking_digests(false).unwrap().digest_as_message);
            let taking = key(key_type).taking_digests(true);
            assert_eq!(taking.is_ok_and(|key| key.digest_as_message), key_type == KeyType::Ed25519);
        }
    }

    #[test]
    fn key_name_refuses_control_characters_and_excess() {
        for good in ["x509-CA-A", "a.b+c/d e", "schlüssel", &"x".repeat(255)] {
            assert!(KeyName::new("key_id", good).is_ok(), "{good}");
        }
        for bad in ["", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(KeyName::new("key_id", bad).is_err(), "{bad}");
        }
    }
}
