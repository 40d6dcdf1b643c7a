//! Azure Key Vault and Managed HSM: keys in one vault, by REST (version 7.4).
//!
//! Microsoft's own crates are in beta, and bring clients of HTTP and retries of their own for five operations that are JSON over HTTPS.
//!
//! A key is named `PREFIX-KEY-ID`, and found by one call. Making a key of a name that is there makes another version of it,
//! so the gateway looks first, makes one at a time, and looks again when it does not know what became of a call. Nothing keeps two gateways
//! from looking at the same time, and making a version each: Azure has no call that makes a key only where there is none. So the
//! key is its first version for all of them, by when the vault says that it was made, in whole seconds, which is why whoever made one waits
//! for a [while](Connection::settling) before it asks which one that is. Deleting a key deletes every version. A deleted key is kept by the
//! vault until it is purged, which is for operators; until then it can be recovered, and its name cannot be used.

mod certificate;
mod connection;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod granted;
mod key;
mod login;
mod making;
mod name;
mod operations;
mod restore;
mod state;
mod status;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::outside::Clock;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use reqwest::header::HeaderMap;

pub use certificate::CertificateError;
pub use connection::{Connection, Login, OpenError, Proof};

use crate::cloud::{Call, Doubts, Rest, Retry, Revived, Template, Turns, Web, not_own};
use crate::http;
use login::Source;
use operations::{Service, lie};
use wire::Bundle;

/// The keys of a vault.
#[derive(Debug)]
pub struct Azure {
    service: Service,
    prefix: String,
    hsm: bool,
    tags: Vec<(String, Template)>,
    verify: bool,
    turns: Turns,
    settling: Duration,
    doubts: Doubts,
    revived: Revived,
    /// For the times between which a key may be used.
    clock: Arc<dyn Clock>,
    /// A process before this one may have asked for keys to be recovered until then.
    opened: Instant,
}

impl Azure {
    /// Prepares the connection; nothing is sent. To be called on the runtime where exchanges shall run. The clock dates what an
    /// application says of itself, and says whether it is a key's time.
    ///
    /// Reads files.
    pub fn open(connection: Connection, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let Connection { prefix, tags, .. } = &connection;
        if !(1..=90).contains(&prefix.len()) || !prefix.bytes().all(is_letter) {
            return Err(OpenError::Prefix(connection.prefix));
        }
        let fits = |(name, _): &(String, Template)| (1..=256).contains(&name.len()) && !name.starts_with(OWN);
        if tags.len() > 12 || !tags.iter().all(fits) {
            return Err(OpenError::Tags);
        }

        let vault = http::base(&connection.vault).map_err(|_bad| OpenError::Vault)?;
        if vault.path() != "/" {
            return Err(OpenError::Vault);
        }
        let web = Web::open(connection.ca.as_deref(), connection.proxy.as_deref())?;
        let direct = Web::open(connection.ca.as_deref(), None)?;
        let source =
            Source::open(&connection.login, &connection.resource, (web.clone(), direct), Arc::clone(&clock))?;
        let service = Service {
            rest: Rest::new(web, connection.rates, Box::new(source), HeaderMap::new()),
            vault: vault.as_str().trim_end_matches('/').to_owned(),
        };

        Ok(Self {
            service,
            prefix: connection.prefix,
            hsm: connection.hsm,
            tags: connection.tags,
            verify: connection.verify,
            turns: Turns::default(),
            settling: connection.settling,
            doubts: Doubts::new(now(), connection.doubt, connection.first),
            revived: Revived::default(),
            clock,
            opened: now(),
        })
    }

    fn name(&self, key_id: KeyId) -> String {
        format!("{}-{key_id}", self.prefix)
    }

    /// The version that an object is, after `…/keys/`; only the key where its native id was never recorded.
    fn version(&self, object: &Object) -> Option<String> {
        let native_id = object.native_id.as_str();
        if native_id == object.key_id.to_string() {
            return Some(self.name(object.key_id));
        }

        self.reference(native_id)
    }

    /// A key or a version of this vault, after `…/keys/`.
    fn reference(&self, kid: &str) -> Option<String> {
        name::within(&self.service.kid(""), kid).map(str::to_owned)
    }

    /// The same, of a key and its version: where no native id was recorded, this gateway's.
    async fn versioned(&self, object: &Object, deadline: Instant) -> Result<String, Failure> {
        let version = self.version(object).ok_or_else(|| not_there(object))?;
        if version.contains('/') {
            return Ok(version);
        }

        let first = self.first(&version, deadline).await?.ok_or_else(|| not_there(object))?;
        self.reference(&first.key.kid).ok_or_else(|| lie("a key's version is called as no version is"))
    }
}

#[async_trait]
impl Backend for Azure {
    fn acts_outside(&self) -> bool {
        true
    }

    fn code_name(&self, code: u32) -> Option<&'static str> {
        status::name_of(code)
    }

    fn leaves(&self) -> Option<String> {
        Some(
            "deleted keys can be recovered, and their names not be used, until the vault purges them"
                .to_owned(),
        )
    }

    async fn offers(&self, key_type: KeyType, _deadline: Instant) -> Option<Result<(), Failure>> {
        let described = key::described(key_type, self.hsm).ok_or_else(|| not_offered(key_type));

        Some(described.map(drop))
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        let described = self.described(&request).ok_or_else(|| not_offered(request.key_type))?;
        let bundle = self.make(&request, &described, deadline).await?;

        let made = generated(bundle)?;
        if made.public.key_type() == request.key_type {
            return Ok(made);
        }
        let message = format!("there is a key `{}`, of another type", made.native_id.as_str());
        Err(Failure::new(FailureKind::Exists, message))
    }

    async fn find(
        &self,
        _tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        let Some(first) = self.first(&self.name(key_id), deadline).await? else {
            return self.doubts.check(key_id, now()).map(|()| None);
        };

        Ok(Some(NativeId::new(first.key.kid)))
    }

    async fn locate(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        let name = self.reference(reference).ok_or_else(|| {
            let message =
                format!("`{reference}` is no key of this vault: write {}", self.service.kid("NAME/VERSION"));
            Failure::new(FailureKind::InvalidArgument, message)
        })?;
        let bundle = self.service.key(Call::read(deadline), &name).await?;
        if !bundle.attributes.enabled {
            return Err(Failure::new(FailureKind::KeyGone, format!("`{reference}` is disabled")));
        }
        if !bundle.key.key_ops.iter().any(|operation| operation == "sign") {
            return Err(Failure::new(FailureKind::Unsupported, format!("`{reference}` may not sign")));
        }

        generated(bundle)
    }

    async fn identity(&self, _deadline: Instant) -> Result<Option<String>, Failure> {
        Ok(Some(self.service.vault.clone()))
    }

    /// A key that was restored from another vault's backup has its name, and its versions have theirs.
    fn counterpart(&self, native_id: &NativeId) -> NativeId {
        let name = name::anywhere(native_id.as_str());

        name.map_or_else(|| native_id.clone(), |name| NativeId::new(self.service.kid(name)))
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        let version = self.versioned(object, deadline).await?;

        Ok(generated(self.service.key(Call::read(deadline), &version).await?)?.public)
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
        let (algorithm, digest) = key::order(object.key_type, mechanism, input)?;
        let version = self.versioned(object, deadline).await?;
        let signature = self.service.sign(Call::sign(deadline), &version, (algorithm, &digest)).await?;
        if signature.len() == key::signature_length(object.key_type) {
            return Ok(signature);
        }
        Err(lie("a signature has another length"))
    }

    fn is_verified(&self) -> bool {
        self.verify
    }

    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        // What is no key of this vault is not there. Keys go with every version.
        let Some(version) = self.version(object) else { return Ok(()) };
        let name = name_of(&version);
        if name != self.name(object.key_id) {
            return Err(not_own(name));
        }

        match self.service.delete(Call::manage(Retry::Safe, deadline), name).await {
            Err(failure) if failure.kind == FailureKind::NotFound => {
                self.check_gone(object, name, deadline).await
            }
            deleted => deleted.inspect(|()| self.revived.forget(name)),
        }
    }

    fn restores(&self) -> bool {
        true
    }

    async fn restore(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        let version = self.version(object).ok_or_else(|| not_there(object))?;

        self.recovered(&version, deadline).await
    }

    /// Has a key that is never there sign: who may not is told so, and who may is told that there is none.
    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        let name = format!("{}-health/none", self.prefix);
        match self.service.sign(Call::read(deadline), &name, ("ES256", &[0; 32])).await {
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            signed => signed.map(|_| ()),
        }
    }
}

fn generated(bundle: Bundle) -> Result<Generated, Failure> {
    let public = key::public(&bundle.key).ok_or_else(|| {
        let message = format!("`{}` is of a type that signs nothing here", bundle.key.kid);
        Failure::new(FailureKind::Unsupported, message)
    })?;

    Ok(Generated { native_id: NativeId::new(bundle.key.kid), public })
}

/// The key of a version.
fn name_of(version: &str) -> &str {
    version.split('/').next().unwrap_or_default()
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn not_there(object: &Object) -> Failure {
    let message = format!("`{}` is no key of this vault", object.native_id.as_str());

    Failure::new(FailureKind::NotFound, message)
}

fn not_offered(key_type: KeyType) -> Failure {
    Failure::new(FailureKind::Unsupported, format!("Azure Key Vault makes no {key_type} keys"))
}

/// How the gateway's own tags begin.
const OWN: &str = "keyport";
