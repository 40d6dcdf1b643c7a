//! The audit log's port, and what an event says.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::Result;
use crate::key::{Key, KeyId, KeyName};
use crate::name::{CallerName, ComponentDigest, ProviderName, RequestId, TenantId};
use crate::outside::Timestamp;
use crate::public_key::Fingerprint;
use crate::scheme::Scheme;

/// An append-only log whose entries are chained to one another.
#[async_trait]
pub trait AuditLog: Debug + Send + Sync {
    /// Appends `event` and returns its place once it is durable.
    /// [`Error::Unavailable`](crate::Error::Unavailable) where it cannot be written; the log then repairs itself or
    /// goes on refusing, but never blocks for long: its queue is bounded.
    async fn append(&self, event: Event) -> Result<u64>;

    /// Appends `events` one after the other, all or none, with one wait for the disk; returns the place of the first.
    async fn append_all(&self, events: Vec<Event>) -> Result<u64>;

    /// Whether the last attempt to write succeeded.
    fn is_writable(&self) -> bool;
}

/// One line of the audit log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// When it happened.
    pub time: Timestamp,
    /// The request it belongs to.
    pub request_id: Option<RequestId>,
    /// The tenant it concerns.
    pub tenant: Option<TenantId>,
    /// Who asked.
    pub caller: Option<CallerName>,
    /// Over which contract.
    pub contract: Option<&'static str>,
    /// For what.
    pub operation: Operation,
    /// The key's name.
    pub key: Option<KeyName>,
    /// The key's id.
    pub key_id: Option<KeyId>,
    /// The key's public half.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the key takes a SHA-512 digest as the message of pure Ed25519.
    pub digest_as_message: bool,
    /// The provider that served it.
    pub provider: Option<ProviderName>,
    /// The component that it was.
    pub component: Option<ComponentDigest>,
    /// How the signature was made.
    pub scheme: Option<Scheme>,
    /// How often the custodian was asked, if it was.
    pub attempts: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it is not `ok`: an [`Error::code`](crate::Error::code), or another fixed word.
    pub reason: Option<&'static str>,
    /// The event that announced this one.
    pub intent: Option<u64>,
    /// Whether it was written by a later start on behalf of one that crashed.
    pub recovered: bool,
    /// Further facts in words, for people.
    pub detail: Option<String>,
}

impl Event {
    /// An event of the gateway's own, with nothing but these facts.
    #[must_use]
    pub fn new(time: Timestamp, operation: Operation, outcome: Outcome) -> Self {
        Self {
            time,
            request_id: None,
            tenant: None,
            caller: None,
            contract: None,
            operation,
            key: None,
            key_id: None,
            fingerprint: None,
            digest_as_message: false,
            provider: None,
            component: None,
            scheme: None,
            attempts: 0,
            outcome,
            reason: None,
            intent: None,
            recovered: false,
            detail: None,
        }
    }

    /// The same event about `key`.
    #[must_use]
    pub fn about(mut self, key: &Key) -> Self {
        self.tenant = Some(key.tenant.clone());
        self.key = Some(key.name.clone());
        self.key_id = Some(key.id);
        self.fingerprint = key.public.as_ref().map(|public| public.fingerprint().clone());
        self.digest_as_message = key.digest_as_message;
        self.provider = Some(key.provider.clone());
        self
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// A gateway started.
    Start,
    /// A gateway stopped.
    Stop,
    /// Its configuration, a certificate or a key of its own changed.
    Configure,
    /// The log itself was repaired, or went on after a gap.
    Repair,
    /// Nobody knows: the request could not be read, or its sender was not known.
    Request,
    /// Make a key.
    Create,
    /// List keys.
    List,
    /// Bring in a key that was made elsewhere.
    Import,
    /// Take up a key pair that is at a custodian already.
    Register,
    /// Sign.
    Sign,
    /// Verify a signature.
    Verify,
    /// Give a key up for good.
    Delete,
    /// Release a key.
    Release,
    /// Restore a key that was released, or destroyed where its custodian still has it.
    Restore,
    /// Destroy a key.
    Destroy,
}

impl Operation {
    /// The operation's name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Configure => "configure",
            Self::Repair => "repair",
            Self::Request => "request",
            Self::Create => "create",
            Self::List => "list",
            Self::Import => "import",
            Self::Register => "register",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Delete => "delete",
            Self::Release => "release",
            Self::Restore => "restore",
            Self::Destroy => "destroy",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// Nothing yet: it is about to be attempted, and something outside may act. A later event refers to this one.
    Intent,
    /// It was done.
    Ok,
    /// The caller may not, or asked for what cannot be.
    Refused,
    /// It was not done.
    Failed,
    /// The gateway stopped before it knew.
    Unknown,
}

impl Outcome {
    /// The outcome's name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}
