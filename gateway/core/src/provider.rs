//! The port to providers: what the gateway asks of them, in plain owned values that a socket could carry.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

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
    /// Further facts, for people and tools.
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

/// Reads the public half in a provider's answer.
pub(crate) fn spki(der: &[u8]) -> Result<PublicKey, Failure> {
    PublicKey::from_der(der).map_err(|bad| {
        Failure::new(crate::FailureKind::Internal, format!("the provider's public key is {bad}"))
    })
}
