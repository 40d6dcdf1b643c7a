//! HSMs and other PKCS#11 tokens.
//!
//! A vendor's library may crash, hang or leak, so it runs in a process of its own, [`host`](host()), which a [`Worker`]
//! supervises: when it ends, hangs, or the token goes away, a new process initialises the library and logs in anew.
//! A PIN that was not taken is the exception: nothing tries it again until an operator opens the connection anew.
//!
//! An object is known by its CKA_ID, which is the key-id for keys that were made here, and native ids are its bytes in
//! lower-case hexadecimal digits. Labels are for people. What a token's return values mean is in [`ckr`].

pub mod ckr;
mod connection;
mod environment;
mod host;
mod inventory;
mod mechanism;
mod probe;
mod refusal;
mod wire;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::signature::Signature;
use keyport_core::{Failure, FailureKind};

pub use connection::{Connection, Network, TokenChoice, Verify};
pub use environment::environment;
pub use host::host;
pub use inventory::{Inventory, PinState, SlotFound, TokenFacts, TokenFound};
pub use mechanism::{Offer, Offers, serving};
pub use probe::{Ability, Opened, Probe, Report, TokenReport, probe};
pub use refusal::Refusal;
pub use wire::parse;

use crate::worker::{Limits, Sent, Worker, WorkerError};
use wire::{Pin, Pkcs11Protocol, Purpose, Ready, Reference, Reply, Request, Setup};

/// A PKCS#11 token.
///
/// It offers ECDSA, Ed25519 and RSA of the types that the token's mechanism list has; mechanisms are
/// [`Mechanism::Ecdsa`], [`Mechanism::Ed25519`], [`Mechanism::RsaPkcs1v15DigestInfo`], [`Mechanism::RsaPss`] and, where a
/// token heeds CK_EDDSA_PARAMS, [`Mechanism::Ed25519phOfMessage`]: no mechanism list says so, and it is tried out before
/// the first such signature.
#[derive(Debug)]
pub struct Pkcs11 {
    worker: Worker<Pkcs11Protocol>,
    name: String,
    label: String,
    read_only: bool,
    verify: Verify,
    call_timeout: Duration,
}

impl Pkcs11 {
    /// Opens the connection. It fails at once for what a person has to mend: a module that is none, a token that is
    /// not there while others are, a PIN that is wrong. A token that is only away is waited for in the background, and
    /// [`Backend::health`] says so.
    pub async fn open(connection: Connection) -> Result<Self, OpenError> {
        let limits = limits(connection.call_timeout, connection.in_flight.get());
        let setup = Setup {
            module: connection.module,
            initialisation: connection.initialisation,
            network: connection.network,
            purpose: Purpose::Serve {
                token: connection.token,
                identity: connection.identity,
                pin: connection.pin.map(Pin),
                sessions: connection.sessions.get(),
                in_flight: connection.in_flight.get(),
                read_only: connection.read_only,
            },
        };
        let worker = Worker::start(connection.name.clone(), connection.host, setup, limits).await?;

        Ok(Self {
            worker,
            name: connection.name,
            label: connection.label,
            read_only: connection.read_only,
            verify: connection.verify,
            call_timeout: connection.call_timeout,
        })
    }

    async fn call(&self, request: Request, deadline: Instant) -> Result<Reply, Failure> {
        self.call_within(request, deadline, self.call_timeout).await
    }

    async fn call_within(
        &self,
        request: Request,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Reply, Failure> {
        self.worker.call(request, deadline, limit).await?.map_err(|Sent(failure)| failure)
    }

    fn refuse_to_write(&self, kind: FailureKind) -> Result<(), Failure> {
        if self.read_only {
            return Err(Failure::new(kind, format!("connection `{}` is read-only", self.name)));
        }

        Ok(())
    }

    /// What people see of a key on the token. Tokens have little room for it.
    fn label(&self, request: &Generate) -> String {
        let label = self.label.replace("{tenant}", &request.tenant.to_string());

        label.replace("{key}", request.name.as_str()).chars().take(LABEL).collect()
    }
}

#[async_trait]
impl Backend for Pkcs11 {
    fn acts_outside(&self) -> bool {
        true
    }

    fn code_name(&self, code: u32) -> Option<&'static str> {
        ckr::name_of(code)
    }

    async fn offers(&self, key_type: KeyType, deadline: Instant) -> Option<Result<(), Failure>> {
        let refused = self.refuse_to_write(FailureKind::Unsupported);

        Some(match refused {
            Ok(()) => self.call(Request::Offers { key_type }, deadline).await.map(drop),
            refused => refused,
        })
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        self.refuse_to_write(FailureKind::Unsupported)?;
        let id = request.key_id.bytes().to_vec();
        let wanted = Request::Generate { id, key_type: request.key_type, label: self.label(&request) };

        let limit = self.call_timeout.saturating_mul(MAKING);
        generated(self.call_within(wanted, deadline, limit).await?)
    }

    async fn find(
        &self,
        _tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        match self.call(Request::Find { id: key_id.bytes().to_vec() }, deadline).await? {
            Reply::Found(found) => Ok(found.then(|| native_id(key_id.bytes()))),
            Reply::Done | Reply::Pair { .. } | Reply::Signature(_) => Err(confused()),
        }
    }

    async fn locate(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        let reference = parse_reference(reference)?;

        generated(self.call(Request::Locate(reference), deadline).await?)
    }

    async fn identity(&self, deadline: Instant) -> Result<Option<String>, Failure> {
        match self.worker.ready(deadline).await? {
            Ready::Token { identity } => Ok(Some(identity).filter(|identity| tells(identity))),
            Ready::Inventory(_) => Err(confused()),
        }
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        let Some(id) = id(object) else { return Err(not_found(object)) };

        Ok(generated(self.call(Request::PublicKey { id }, deadline).await?)?.public)
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        match self.public_key(object, deadline).await {
            Ok(_) => Ok(KeyState::Enabled),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(KeyState::Gone),
            Err(failure) => Err(failure),
        }
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let key_type = object.key_type;
        mechanism::check(key_type, mechanism, input)?;
        let Some(id) = id(object) else { return Err(not_found(object)) };

        let request = Request::Sign { id, key_type, mechanism, input: input.to_vec() };
        match self.call(request, deadline).await? {
            Reply::Signature(bytes) if Signature::new(key_type, bytes.clone()).is_some() => Ok(bytes),
            Reply::Signature(bytes) => {
                let message = format!("the token answered {} bytes, no signature of {key_type}", bytes.len());
                Err(Failure::new(FailureKind::Internal, message))
            }
            Reply::Done | Reply::Found(_) | Reply::Pair { .. } => Err(confused()),
        }
    }

    fn is_verified(&self) -> bool {
        self.verify == Verify::Signature
    }

    async fn forget(&self, object: &Object) {
        let Some(id) = id(object) else { return };

        let deadline = (tokio::time::Instant::now() + self.call_timeout).into_std();
        if let Err(failure) = self.call(Request::Forget { id }, deadline).await {
            tracing::debug!(connection = self.name, %failure, "handles are forgotten with their process");
        }
    }

    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        self.refuse_to_write(FailureKind::Denied)?;
        // An object that is not one of this token's is not there.
        let Some(id) = id(object) else { return Ok(()) };

        let done = self.call(Request::Destroy { id }, deadline).await;
        if let Err(failure) = &done {
            let (connection, key_id) = (&self.name, object.key_id);
            tracing::warn!(connection, %key_id, %failure, "a key was not destroyed, or not both its halves");
        }
        done.map(drop)
    }

    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        self.call(Request::Health, deadline).await.map(drop)
    }
}

/// Why a connection cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The process for the module cannot be started.
    #[error("the process for the module cannot be started: {0}")]
    Process(#[source] std::io::Error),
    /// The module or the token cannot be used so.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The process did something unforeseen.
    #[error("{0}")]
    Failed(#[source] Failure),
}

impl From<WorkerError<Pkcs11Protocol>> for OpenError {
    fn from(error: WorkerError<Pkcs11Protocol>) -> Self {
        match error {
            WorkerError::Process(error) => Self::Process(error),
            WorkerError::Refused(refusal) => Self::Refused(refusal),
            WorkerError::Failed(failure) => Self::Failed(failure),
        }
    }
}

fn limits(call_timeout: Duration, in_flight: usize) -> Limits {
    // A start has several calls, of which a network HSM's first is slow.
    Limits { start: call_timeout.saturating_mul(2), heartbeat: HEARTBEAT, in_flight }
}

/// Whether an identity is one: some libraries (NSS, tpm2-pkcs11) give every token the serial number 0.
fn tells(identity: &str) -> bool {
    identity.rsplit('/').next().is_some_and(|serial| !serial.trim_matches('0').is_empty())
}

fn parse_reference(text: &str) -> Result<Reference, Failure> {
    let bad = |why: &str| Failure::new(FailureKind::InvalidArgument, format!("`{text}`: {why}"));
    match text.split_once(':') {
        Some(("id", digits)) => match hex::decode(digits) {
            Ok(id) if !id.is_empty() => Ok(Reference::Id(id)),
            _ => Err(bad("write id: and the CKA_ID in hexadecimal digits")),
        },
        Some(("label", label)) if !label.is_empty() => Ok(Reference::Label(label.to_owned())),
        _ => Err(bad("write id:… or label:…")),
    }
}

fn generated(reply: Reply) -> Result<Generated, Failure> {
    let Reply::Pair { id, spki } = reply else { return Err(confused()) };
    let public = PublicKey::from_der(&spki).map_err(|error| {
        Failure::new(FailureKind::Internal, format!("the token's public half is {error}"))
    })?;

    Ok(Generated { native_id: native_id(&id), public })
}

fn native_id(id: &[u8]) -> NativeId {
    NativeId::new(hex::encode(id))
}

/// The CKA_ID; `None` where the native id can be none of ours.
fn id(object: &Object) -> Option<Vec<u8>> {
    hex::decode(object.native_id.as_str()).ok().filter(|id| !id.is_empty())
}

fn not_found(object: &Object) -> Failure {
    let message = format!("`{}` is no CKA_ID in hexadecimal digits", object.native_id.as_str());

    Failure::new(FailureKind::NotFound, message)
}

fn confused() -> Failure {
    Failure::new(FailureKind::Internal, "the module's process answered another question")
}

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Characters of a label.
const LABEL: usize = 200;
/// How much longer than others a call may take that makes a key: RSA-4096 pairs take minutes in some HSMs.
const MAKING: u32 = 10;
