//! AWS KMS: the asymmetric signing keys of an account in one region.
//!
//! A key of this gateway's is found by its alias, `alias/PREFIX-KEYID`, which is made after the key: the service makes no key and
//! its alias in one call, and makes another key for each call to make one. So that no crash between the two leaves a key that
//! nobody finds, its key-id is also a tag, which comes in the call that makes it, and the Resource Groups Tagging API finds keys by
//! their tags in one call (permission `tag:GetResources`). Listing the account's keys and the tags of each would be as many
//! calls as it has keys. That index lags behind by seconds: until it has [settled](Connection::settling), nobody is told that there
//! is no such key.
//!
//! Destroying a key is one call, which schedules its deletion. Its alias stays until it is deleted: if the deletion is cancelled, all
//! is as it was. Native ids are ARNs of keys, never of aliases, which can be made to lead elsewhere.

mod account;
mod arn;
mod connection;
mod credentials;
mod destroy;
pub mod error;
mod exchange;
mod find;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod make;
mod restore;
mod returns;
mod source;
mod spec;
mod state;
mod wire;

use std::sync::OnceLock;
use std::time::Instant;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_resourcegroupstagging::Client as Tagging;
use aws_sdk_sts::Client as Sts;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::signature::Signature;
use keyport_core::{Failure, FailureKind};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

pub use connection::{
    BadPrefix, Connection, DeletionWindow, Endpoints, OpenError, Prefix, Role, Source, rates,
};

use crate::cloud::{Call, Doubts, Gate, Publics, Template, Turns};
use crate::http::base;
use credentials::Kept;
use destroy::is_unrecorded;
use exchange::Exchange;
use returns::Returns;
use source::Origin;
use wire::Wire;

/// An account's keys in one region.
///
/// It offers ECDSA with all four curves, Ed25519, RSA of every size, and ML-DSA; mechanisms are [`Mechanism::Ecdsa`],
/// [`Mechanism::Ed25519`] and [`Mechanism::MlDsa`] (messages of 1 to 4096 bytes), [`Mechanism::Ed25519ph`],
/// [`Mechanism::RsaPkcs1v15`] and [`Mechanism::RsaPss`].
#[derive(Debug)]
pub struct Aws {
    name: String,
    region: String,
    /// Whose keys it serves, once that is settled.
    bound: OnceLock<String>,
    /// The access key that is of that account.
    checked: Mutex<Option<String>>,
    prefix: Prefix,
    multi_region: bool,
    deletion_window: DeletionWindow,
    verify: bool,
    description: Template,
    tags: Vec<(String, Template)>,
    kms: aws_sdk_kms::Client,
    sts: Sts,
    tagging: Tagging,
    credentials: Kept,
    gate: Gate,
    publics: Publics,
    doubts: Doubts,
    turns: Turns,
    returns: Returns,
    /// Where calls run.
    runtime: Handle,
}

impl Aws {
    /// Prepares the connection; nothing is sent. To be called on the runtime where calls shall run.
    ///
    /// Reads the file of authorities.
    pub fn open(connection: Connection) -> Result<Self, OpenError> {
        let wire = Wire::open(&connection)?;
        let Endpoints { kms, sts, tagging, .. } = connection.endpoints.clone();
        let plain = plain(&connection, &wire);
        let credentials = credentials(&connection, &wire, &plain)?;
        let signed = plain
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .build();

        Ok(Self {
            kms: aws_sdk_kms::Client::new(&at(&signed, kms)?),
            sts: Sts::new(&at(&signed, sts)?),
            tagging: Tagging::new(&at(&signed, tagging)?),
            credentials,
            gate: Gate::new(connection.rates),
            publics: Publics::new(),
            doubts: Doubts::new(now(), connection.settling, connection.first),
            turns: Turns::default(),
            returns: Returns::new(now()),
            runtime: Handle::current(),
            name: connection.name,
            region: connection.region,
            bound: connection.identity.map_or_else(OnceLock::new, OnceLock::from),
            checked: Mutex::default(),
            prefix: connection.prefix,
            multi_region: connection.multi_region,
            deletion_window: connection.deletion_window,
            verify: connection.verify,
            description: connection.description,
            tags: connection.tags,
        })
    }

    /// Makes a call of a service; `send` words it, anew for each try.
    async fn call<T, E, F>(&self, call: Call, send: impl Fn() -> F) -> Result<T, Failure>
    where
        T: Send + 'static,
        E: ProvideErrorMetadata + std::error::Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'static,
    {
        let attempt = || {
            let sent = send();
            Exchange::begin(&self.runtime, async { sent.await.map_err(|error| error::failure(&error)) })
        };
        let outcome = self.gate.call(call, attempt).await;

        if outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::Credentials) {
            self.credentials.doubt();
        }
        outcome
    }
}

#[async_trait]
impl Backend for Aws {
    fn acts_outside(&self) -> bool {
        true
    }

    fn code_name(&self, code: u32) -> Option<&'static str> {
        error::name_of(code)
    }

    async fn offers(&self, key_type: KeyType, _deadline: Instant) -> Option<Result<(), Failure>> {
        Some(spec::made(key_type).map(drop))
    }

    fn leaves(&self) -> Option<String> {
        let days = self.deletion_window.get();

        Some(format!(
            "destroyed keys are pending deletion at AWS for {days} days, in which they can be restored"
        ))
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        self.in_account(deadline, self.make(&request, deadline)).await
    }

    async fn find(
        &self,
        _tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        self.in_account(deadline, self.seek(key_id, deadline)).await
    }

    async fn locate(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        self.named(reference, deadline).await
    }

    /// A multi-region key has the same id in every region; others are in one.
    fn counterpart(&self, native_id: &NativeId) -> NativeId {
        arn::in_region(native_id, &self.region)
    }

    async fn identity(&self, deadline: Instant) -> Result<Option<String>, Failure> {
        self.account(deadline).await.map(Some)
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        self.refuse_foreign(object)?;

        self.public(&object.native_id, object.key_type, deadline).await
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        self.standing(object, deadline).await
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let order = spec::order(object.key_type, mechanism, input)?;
        self.refuse_foreign(object)?;
        let asked = self.kms.sign().key_id(object.native_id.as_str()).message(Blob::new(&*order.message));
        let asked = asked.message_type(order.message_type).signing_algorithm(order.algorithm.clone());
        let told = self.call(Call::sign(deadline), || asked.clone().send()).await?;

        // ECDSA signatures are DER.
        let signature = told.signature.map(Blob::into_inner).unwrap_or_default();
        let is_answer = arn::is_meant(&object.native_id, told.key_id.as_deref())
            && told.signing_algorithm == Some(order.algorithm)
            && Signature::new(object.key_type, signature.clone()).is_some();
        if is_answer {
            return Ok(signature);
        }
        Err(self.lie("signed with another key, by another algorithm, or not at all"))
    }

    fn is_verified(&self) -> bool {
        self.verify
    }

    async fn forget(&self, object: &Object) {
        self.publics.forget(&object.native_id);
    }

    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        if !arn::is_key(&object.native_id) && !is_unrecorded(object) {
            return Ok(());
        }

        self.in_account(deadline, self.do_away(object, deadline)).await
    }

    fn restores(&self) -> bool {
        true
    }

    async fn restore(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        self.refuse_foreign(object)?;

        self.in_account(deadline, self.bring_back(object, deadline)).await
    }

    /// Asks for a key that is not there: that takes credentials that are good, and a role that may look.
    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        self.check_account(deadline).await?;
        let nobody = format!("alias/{}-health", self.prefix.as_str());

        self.described(&nobody, deadline).await.map(drop)
    }
}

impl Aws {
    fn refuse_foreign(&self, object: &Object) -> Result<(), Failure> {
        if arn::is_key(&object.native_id) {
            return Ok(());
        }

        let message = format!("`{}` is no key's ARN", object.native_id.as_str());
        Err(Failure::new(FailureKind::NotFound, message))
    }

    /// An answer to another question.
    fn lie(&self, what: &str) -> Failure {
        tracing::error!(connection = self.name, "the service {what}");

        Failure::new(FailureKind::Internal, format!("the service {what}"))
    }
}

/// What the clients of all services have in common, but for credentials.
fn plain(connection: &Connection, wire: &Wire) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(connection.region.clone()))
        .http_client(wire.clone())
        .identity_cache(aws_sdk_kms::config::IdentityCache::no_cache())
        // The gate retries, and knows the deadline.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .time_source(clock())
        .use_fips(connection.endpoints.fips)
        .use_dual_stack(connection.endpoints.dual_stack)
        .build()
}

fn credentials(connection: &Connection, wire: &Wire, plain: &SdkConfig) -> Result<Kept, OpenError> {
    let (sts, region) = (connection.endpoints.sts.clone(), Region::new(connection.region.clone()));
    let nobody = Sts::new(&at(plain, sts.clone())?);
    let first = Kept::new(Origin::of(&connection.credentials, nobody, wire.clone(), region)?, clock());
    let Some(role) = &connection.role else { return Ok(first) };

    let signed = plain.to_builder().credentials_provider(SharedCredentialsProvider::new(first)).build();
    Ok(Kept::new(Origin::Role(Sts::new(&at(&signed, sts)?), role.clone()), clock()))
}

/// The same, at another place.
fn at(config: &SdkConfig, endpoint: Option<String>) -> Result<SdkConfig, OpenError> {
    let Some(endpoint) = endpoint else { return Ok(config.clone()) };
    base(&endpoint).map_err(|_bad| OpenError::Endpoint)?;

    Ok(config.to_builder().endpoint_url(endpoint).build())
}

fn clock() -> SharedTimeSource {
    SharedTimeSource::new(SystemTimeSource::new())
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
