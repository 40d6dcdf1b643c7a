//! The port to providers: what the gateway asks of them, in plain owned values that a socket could carry.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::Error;
use crate::custody::OperationId;
use crate::failure::Failure;
use crate::grant::Grants;
use crate::input::Input;
use crate::key::{Handle, KeyId, KeyName};
use crate::name::{ComponentDigest, ProviderName, RequestId, TenantId};
use crate::public_key::PublicKey;
use crate::scheme::{KeyType, Scheme};

/// A loaded provider component.
#[async_trait]
pub trait Provider: Debug + Send + Sync {
    /// Makes the key pair that the operation allows. Idempotent by key-id.
    async fn create_key(&self, call: Call, request: CreateKey) -> Result<Created, Failure>;

    /// Has the custodian take over the key pair that the operation holds. Only of a provider that
    /// [imports](Loaded::imports).
    async fn import_key(&self, call: Call, request: ImportKey) -> Result<Created, Failure>;

    /// The public half of a key as the custodian has it now: SubjectPublicKeyInfo, DER.
    async fn public_key(&self, call: Call, key: KeyRef) -> Result<Vec<u8>, Failure>;

    /// Signs. The answer is unchecked: custody knows what it should be.
    async fn sign(&self, call: Call, request: Sign) -> Result<Vec<u8>, Failure>;

    /// Destroys a key. Idempotent.
    async fn destroy_key(&self, call: Call, key: KeyRef) -> Result<(), Failure>;

    /// Whether the provider could serve now.
    async fn health(&self, call: Call) -> Result<(), Failure>;
}

/// On whose behalf and until when a provider is called.
#[derive(Clone, Debug)]
pub struct Call {
    /// What the host hands back to custody with every capability the guest uses.
    pub operation: OperationId,
    /// The tenant served.
    pub tenant: TenantId,
    /// The request, for log lines; the gateway's own work (health, the reaper) has none.
    pub request_id: Option<RequestId>,
    /// When the call must be over.
    pub deadline: Instant,
}

/// One key, as providers are told of it.
#[derive(Clone, Debug)]
pub struct KeyRef {
    /// The key-id.
    pub id: KeyId,
    /// What the provider returned at create.
    pub handle: Option<Handle>,
}

/// A key pair to be made.
#[derive(Clone, Debug)]
pub struct CreateKey {
    /// The key-id; whatever is made must be found by it.
    pub id: KeyId,
    /// The owner's name for the key, for people.
    pub name: KeyName,
    /// The kind of key pair.
    pub key_type: KeyType,
    /// To be kept with the key where the custodian can.
    pub labels: Vec<(String, String)>,
}

/// A key pair to be taken over.
#[derive(Clone, Debug)]
pub struct ImportKey {
    /// The key, as if it were to be made.
    pub key: CreateKey,
    /// What the provider names the key pair by; good for one use.
    pub reference: String,
}

/// What a provider says it made. Unchecked.
#[derive(Clone, Debug)]
pub struct Created {
    /// Wanted back at each use: at most [`Handle::MAX`] bytes, or the create fails.
    pub handle: Option<Vec<u8>>,
    /// SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
}

/// A signature to be made.
#[derive(Clone, Debug)]
pub struct Sign {
    /// With which key.
    pub key: KeyRef,
    /// How.
    pub scheme: Scheme,
    /// What.
    pub input: Input,
}

/// What a provider says it is and can do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descriptor {
    /// Its name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The key types it makes, with the schemes each signs with.
    pub offers: Vec<(KeyType, Vec<Scheme>)>,
    /// The longest message it signs, in bytes.
    pub max_message: usize,
    /// Further facts, for people and tools, and one for the gateway: what [`is_handed_messages`] reads.
    ///
    /// [`is_handed_messages`]: Self::is_handed_messages
    pub properties: Vec<(String, String)>,
}

impl Descriptor {
    /// Whether keys of this type can be made.
    #[must_use]
    pub fn makes(&self, key_type: KeyType) -> bool {
        self.offers.iter().any(|(offered, _)| *offered == key_type)
    }

    /// A scheme that keys of this type can sign with; `None` where there is none.
    #[must_use]
    pub fn scheme_of(&self, key_type: KeyType) -> Option<Scheme> {
        let (_, schemes) = self.offers.iter().find(|(offered, _)| *offered == key_type)?;

        schemes.first().copied()
    }

    /// Whether it is to be handed messages as they are for signatures of this scheme: its custodian hashes them itself, and
    /// takes nothing that is hashed already. It says so by the property `input`, of all schemes, or `input:` and the
    /// scheme's name; the value is then `message`.
    #[must_use]
    pub fn is_handed_messages(&self, scheme: Scheme) -> bool {
        let is_of = |name: &str| match name.split_once(':') {
            None => name == INPUT,
            Some((input, of)) => input == INPUT && of == scheme.as_str(),
        };

        self.properties.iter().any(|(name, value)| is_of(name) && value == MESSAGE)
    }

    /// What it is handed of an input that is to be signed so. A message is hashed where the scheme takes a digest, unless
    /// the custodian does that; a digest is never taken for a message.
    pub fn handed(&self, scheme: Scheme, input: Input) -> Result<Input, Error> {
        match (input, self.is_handed_messages(scheme)) {
            (message @ Input::Message(_), true) => Ok(message),
            (Input::Digest(_), true) => Err(Error::invalid(
                "digest",
                format!("this key's custodian hashes by itself, and signs messages alone by {scheme}"),
            )),
            (input, false) => input.for_scheme(scheme),
        }
    }

    /// Whether keys of this type can sign so.
    #[must_use]
    pub fn signs(&self, key_type: KeyType, scheme: Scheme) -> bool {
        self.offers.iter().any(|(offered, schemes)| *offered == key_type && schemes.contains(&scheme))
    }
}

/// A provider as it is configured and loaded: what the gateway, custody and the audit log need to know of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Which loading of which provider this is; the host names itself to custody by it.
    pub id: ProviderId,
    /// The configured name.
    pub name: ProviderName,
    /// What was loaded.
    pub component: ComponentDigest,
    /// What it may reach.
    pub grants: Arc<Grants>,
    /// What it says of itself.
    pub descriptor: Descriptor,
    /// Whether it exports `import-key` and is granted to import.
    pub imports: bool,
    /// Whether readiness depends on its health.
    pub required: bool,
    /// How many requests of it may be on their way to custodians at a time.
    pub connections: usize,
    /// The provider itself.
    pub provider: Arc<dyn Provider>,
}

/// One loading of one provider: never used again, so that an instance of an old version cannot act in an
/// operation of a new one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ProviderId(pub u64);

/// The property that says what a provider is handed, and its one value that means anything.
const INPUT: &str = "input";
const MESSAGE: &str = "message";

/// Reads the public half in a provider's answer.
pub(crate) fn spki(der: &[u8]) -> Result<PublicKey, Failure> {
    PublicKey::from_der(der).map_err(|bad| {
        Failure::new(crate::FailureKind::Internal, format!("the provider's public key is {bad}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Digest;
    use crate::scheme::Hash;

    fn descriptor(properties: &[(&str, &str)]) -> Descriptor {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());

        Descriptor {
            name: "test".to_owned(),
            version: "0.0.0".to_owned(),
            offers: Vec::new(),
            max_message: 65536,
            properties: properties.iter().map(owned).collect(),
        }
    }

    #[test]
    fn messages_are_hashed_unless_the_custodian_does_that() {
        let (scheme, message) = (Scheme::Ecdsa(Hash::Sha384), Input::Message(b"hello".as_slice().into()));
        let hashed = Input::Digest(Digest::of(Hash::Sha384, b"hello"));

        for properties in [&[][..], &[("input", "digest")], &[("inputs", "message")]] {
            let descriptor = descriptor(properties);
            assert_eq!(descriptor.handed(scheme, message.clone()).unwrap(), hashed, "{properties:?}");
            assert_eq!(descriptor.handed(scheme, hashed.clone()).unwrap(), hashed, "{properties:?}");
        }
        let hashing = descriptor(&[("vendor", "x"), ("input", "message")]);
        assert_eq!(hashing.handed(scheme, message.clone()).unwrap(), message);
        assert_eq!(hashing.handed(Scheme::Ed25519, message.clone()).unwrap(), message);
        assert!(matches!(hashing.handed(scheme, hashed), Err(Error::InvalidRequest { field: "digest", .. })));
    }

    #[test]
    fn a_custodian_may_hash_for_one_scheme_alone() {
        let message = Input::Message(b"hello".as_slice().into());
        let hashed = Input::Digest(Digest::of(Hash::Sha512, b"hello"));
        let prehashing = descriptor(&[("input:ed25519ph", "message")]);

        assert_eq!(prehashing.handed(Scheme::Ed25519ph, message.clone()).unwrap(), message);
        assert!(matches!(
            prehashing.handed(Scheme::Ed25519ph, hashed.clone()),
            Err(Error::InvalidRequest { field: "digest", .. })
        ));
        let scheme = Scheme::Ecdsa(Hash::Sha512);
        assert_eq!(prehashing.handed(scheme, message.clone()).unwrap(), hashed);
        assert_eq!(descriptor(&[]).handed(Scheme::Ed25519ph, message).unwrap(), hashed);
    }
}
