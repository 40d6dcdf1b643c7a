//! The port to custodians. Only custody calls it.

use std::fmt::Debug;
use std::time::Instant;

use async_trait::async_trait;

use crate::custody::Mechanism;
use crate::failure::{Failure, FailureKind};
use crate::import::Material;
use crate::key::{KeyId, KeyName, NativeId};
use crate::name::TenantId;
use crate::outbound::{Inbound, Outbound};
use crate::outside::Timestamp;
use crate::public_key::PublicKey;
use crate::scheme::KeyType;

/// One configured token or account, reached by native code.
///
/// Every call ends by its deadline, with [`FailureKind::Unavailable`] if need be.
/// Retries and fail-over happen below this port.
#[async_trait]
pub trait Backend: Debug + Send + Sync {
    /// Whether something outside this process and its store may act before we answer, so that an intent must be
    /// on record first.
    fn acts_outside(&self) -> bool;

    /// What the custodian calls a failure of this code; `None` where it has no word for it.
    fn code_name(&self, _code: u32) -> Option<&'static str> {
        None
    }

    /// Whether key pairs of this type can be made, where that can be told without making one; `None` where it cannot.
    /// Nothing is decided by it: it is for people.
    async fn offers(&self, _key_type: KeyType, _deadline: Instant) -> Option<Result<(), Failure>> {
        None
    }

    /// What the custodian keeps of a key that was destroyed, and how long, in words for people; `None` where nothing stays.
    fn leaves(&self) -> Option<String> {
        None
    }

    /// Makes a key pair, findable by `request.key_id`. Asked again with the same key-id it returns the same pair.
    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure>;

    /// Takes over a key pair that was made elsewhere, findable by `request.key_id`, after checking that its halves
    /// belong together: [`FailureKind::InvalidArgument`] where they do not. Few custodians can.
    async fn import(
        &self,
        _request: Generate,
        _material: Material,
        _deadline: Instant,
    ) -> Result<Generated, Failure> {
        Err(Failure::new(FailureKind::Unsupported, "this custodian takes over no keys"))
    }

    /// What was made for this key-id, if anything was: how a key whose native id was never recorded is found.
    async fn find(
        &self,
        tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure>;

    /// The key pair that an operator names in the custodian's own words (`id:0a1b` or `label:ca-2024` of a PKCS#11
    /// token), which somebody else made. [`FailureKind::NotFound`] where there is none, and
    /// [`FailureKind::InvalidArgument`] where the name is no name or means several.
    async fn locate(&self, _reference: &str, _deadline: Instant) -> Result<Generated, Failure> {
        Err(Failure::new(FailureKind::Unsupported, "this custodian has no keys but those made through it"))
    }

    /// What this custodian calls the key that a connection which it is a replica of calls `native_id`: the same, unless its
    /// names have a place in them.
    fn counterpart(&self, native_id: &NativeId) -> NativeId {
        native_id.clone()
    }

    /// What tells this token or account from every other, so that a changed configuration cannot take another one for
    /// it: a token's serial, an account's number. `None` where there can only be one, or nothing tells.
    async fn identity(&self, _deadline: Instant) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// The public half of an object, as the custodian has it now.
    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure>;

    /// How an object stands at the custodian, as it says now. Nothing is made or changed; that there is none is
    /// [`KeyState::Gone`], and no failure.
    async fn state(&self, _object: &Object, _deadline: Instant) -> Result<KeyState, Failure> {
        Err(Failure::new(FailureKind::Unsupported, "this custodian does not say how its keys stand"))
    }

    /// Signs `input`, which custody rendered for `mechanism`. The answer is raw: ECDSA as r and s or as DER.
    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure>;

    /// Whether each signature is verified with the key's public half before anybody gets it, because the custodian may
    /// take one object for another.
    fn is_verified(&self) -> bool {
        false
    }

    /// Whether it only passes on requests that providers word, and sees no keys: then custody cannot see them either.
    fn takes_requests(&self) -> bool {
        false
    }

    /// Sends a request. Where the answer says what the custodian calls a new key, `native_id` says in which place of it (a
    /// JSON Pointer, RFC 6901). An answer of any status is an answer.
    async fn send(
        &self,
        _request: &Outbound,
        _native_id: Option<&str>,
        _deadline: Instant,
    ) -> Result<Inbound, Failure> {
        Err(Failure::new(FailureKind::Unsupported, "this custodian takes no requests"))
    }

    /// Lets go of what it remembers of an object that signed as another key.
    async fn forget(&self, _object: &Object) {}

    /// Destroys both halves. Destroying what is not there succeeds.
    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure>;

    /// Whether the custodian keeps what it destroyed for a while, so that [`Backend::restore`] is worth asking.
    fn restores(&self) -> bool {
        false
    }

    /// Takes a key's destruction back: when this has returned, the key can sign. One that is not destroyed is left as it is, and
    /// after any failure it can be asked again. [`FailureKind::KeyGone`] or [`FailureKind::NotFound`] where its time is over.
    async fn restore(&self, _object: &Object, _deadline: Instant) -> Result<(), Failure> {
        Err(Failure::new(FailureKind::Unsupported, "what this custodian destroys is gone"))
    }

    /// Whether the custodian could serve now.
    async fn health(&self, deadline: Instant) -> Result<(), Failure>;
}

/// A key pair to be made.
#[derive(Clone, Debug)]
pub struct Generate {
    /// Whose it will be.
    pub tenant: TenantId,
    /// What it must be findable by.
    pub key_id: KeyId,
    /// Its owner's name for it, for people.
    pub name: KeyName,
    /// The kind of key pair.
    pub key_type: KeyType,
}

/// A key pair that was made.
#[derive(Clone, Debug)]
pub struct Generated {
    /// What the custodian calls it.
    pub native_id: NativeId,
    /// Its public half, as the custodian has it.
    pub public: PublicKey,
}

/// An object at a custodian.
#[derive(Clone, Debug)]
pub struct Object {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it was made for.
    pub key_id: KeyId,
    /// What the custodian calls it.
    pub native_id: NativeId,
    /// The kind of key pair.
    pub key_type: KeyType,
}

/// How a key stands at its custodian, in words that key management services share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// It signs.
    Enabled,
    /// It is there, and may not sign until somebody says so.
    Disabled,
    /// It is on its way: being made, imported, replicated or recovered.
    Pending,
    /// Its deletion can still be taken back, until this time if the custodian says one.
    PendingDeletion(Option<Timestamp>),
    /// There is none, and what there may have been does not come back.
    Gone,
    /// The custodian has it and cannot reach it, or says something that the gateway has no word for.
    Unavailable,
}

impl KeyState {
    /// The state's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Pending => "pending",
            Self::PendingDeletion(_) => "pending-deletion",
            Self::Gone => "gone",
            Self::Unavailable => "unavailable",
        }
    }
}
