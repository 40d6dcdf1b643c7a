//! A host with guests in it, a custody that plays along, and the world outside.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use keyport_core::custody::KeyState;
use keyport_core::custody::{Capabilities, Mechanism, OperationId, Origin, Target};
use keyport_core::grant::{ConnectionKind, Grant, Grants, Use};
use keyport_core::input::{Digest, Input};
use keyport_core::key::KeyId;
use keyport_core::outbound::{Inbound, Outbound};
use keyport_core::outside::{Clock, Outside, Random, Task, Tasks, Timestamp};
use keyport_core::provider::{Call, CreateKey, ImportKey, KeyRef, Loaded, ProviderId, Sign};
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_core::{Failure, FailureKind};
use keyport_host::{
    Bound, CodeCache, Host, HostOptions, Instances, Limits, LoadError, ProviderStats, Source,
};

/// The provider of the embedded token.
pub(crate) static SOFT: LazyLock<Vec<u8>> = LazyLock::new(|| built("keyport-guest-soft"));

/// The provider of a token behind PKCS#11.
pub(crate) static PKCS11: LazyLock<Vec<u8>> = LazyLock::new(|| built("keyport-guest-pkcs11"));

/// The providers of AWS KMS, Azure Key Vault, Google Cloud KMS and transit.
pub(crate) static SERVICES: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    ["aws-kms", "azure-key-vault", "gcp-kms", "vault-transit"]
        .map(|name| built(&format!("keyport-guest-{name}")))
});

/// The provider that misbehaves over key management services as its setting `mode` says.
pub(crate) static HOSTILE_CLOUD_KMS: LazyLock<Vec<u8>> =
    LazyLock::new(|| built("keyport-guest-hostile-cloud-kms"));

/// The provider that misbehaves over PKCS#11 as its setting `mode` says.
pub(crate) static HOSTILE_PKCS11: LazyLock<Vec<u8>> = LazyLock::new(|| built("keyport-guest-hostile-pkcs11"));

/// The provider that misbehaves as its setting `mode` says.
pub(crate) static HOSTILE: LazyLock<Vec<u8>> = LazyLock::new(|| built("keyport-guest-hostile"));

fn built(package: &str) -> Vec<u8> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");

    keyport_sdk_build::component(&workspace, package).unwrap().bytes
}

/// A host and the custody behind it.
pub(crate) struct Bench {
    pub(crate) host: Arc<Host>,
    pub(crate) custody: Arc<Custody>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(HostOptions { instances: 16, ..HostOptions::default() })
    }

    pub(crate) fn with(options: HostOptions) -> Self {
        Self::keeping(None, options)
    }

    /// One that keeps compiled code in `code`.
    pub(crate) fn keeping(code: Option<CodeCache>, options: HostOptions) -> Self {
        let custody = Arc::new(Custody::default());

        Self { host: Host::new(options, code, custody.clone(), outside()).unwrap(), custody }
    }

    /// Loads the misbehaving guest.
    pub(crate) async fn hostile(&self, mode: &str) -> Loaded {
        self.load(hostile(mode)).await
    }

    pub(crate) async fn load(&self, source: Source) -> Loaded {
        self.host.load(source).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) async fn refusal(&self, source: Source) -> LoadError {
        self.host.load(source).await.map(|loaded| loaded.descriptor).unwrap_err()
    }

    /// What was counted of a provider.
    pub(crate) fn stats(&self, loaded: &Loaded) -> ProviderStats {
        self.host.stats().into_iter().find(|stats| stats.id == loaded.id).unwrap()
    }

    /// How often a provider hit a bound.
    pub(crate) fn hits(&self, loaded: &Loaded, bound: Bound) -> u64 {
        self.stats(loaded).bounds.into_iter().find(|(counted, _)| *counted == bound).unwrap().1
    }
}

/// The misbehaving guest, to be loaded as an outsider's.
pub(crate) fn hostile(mode: &str) -> Source {
    with_setting(source("hostile", &*HOSTILE), "mode", mode)
}

pub(crate) fn with_setting(mut source: Source, name: &str, value: &str) -> Source {
    source.settings.insert(name.to_owned(), value.to_owned());
    source
}

pub(crate) fn source(name: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Source {
    Source {
        name: name.parse().unwrap(),
        bytes: bytes.into(),
        sha256: None,
        settings: BTreeMap::new(),
        grants: granted(&Use::ALL),
        wasi: false,
        limits: Limits::default(),
        instances: Instances::Fresh,
        trusted: false,
        required: false,
    }
}

/// A grant of these uses of the embedded token.
pub(crate) fn granted(uses: &[Use]) -> Arc<Grants> {
    Arc::new(Grants::new(vec![grant("embedded", ConnectionKind::Soft, uses)]))
}

pub(crate) fn grant(connection: &str, kind: ConnectionKind, uses: &[Use]) -> Grant {
    Grant {
        connection: connection.parse().unwrap(),
        kind,
        uses: uses.iter().copied().collect(),
        mechanisms: None,
        objects: Vec::new(),
        requests: Vec::new(),
    }
}

/// A call of one tenant that may take ten seconds.
pub(crate) fn call(tenant: &str) -> Call {
    call_within(tenant, Duration::from_secs(10))
}

pub(crate) fn call_within(tenant: &str, time: Duration) -> Call {
    Call {
        operation: OPERATION,
        tenant: tenant.parse().unwrap(),
        request_id: Some("request".parse().unwrap()),
        deadline: now() + time,
    }
}

pub(crate) const OPERATION: OperationId = OperationId(77);

pub(crate) fn key() -> KeyRef {
    KeyRef { id: KEY_ID.parse::<KeyId>().unwrap(), handle: None }
}

pub(crate) const KEY_ID: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn sign() -> Sign {
    Sign {
        key: key(),
        scheme: Scheme::Ecdsa(Hash::Sha256),
        input: Input::Digest(Digest::of(Hash::Sha256, b"message")),
    }
}

pub(crate) fn create() -> CreateKey {
    CreateKey {
        id: KEY_ID.parse().unwrap(),
        name: keyport_core::key::KeyName::new("name", "a key").unwrap(),
        key_type: KeyType::EcP256,
        labels: vec![("colour".to_owned(), "blue".to_owned())],
    }
}

pub(crate) fn import() -> ImportKey {
    ImportKey { key: create(), reference: REFERENCE.to_owned() }
}

pub(crate) const REFERENCE: &str = "fedcba9876543210fedcba9876543210";

/// Records what it is asked, and answers always the same.
#[derive(Debug)]
pub(crate) struct Custody {
    asked: Mutex<Vec<Asked>>,
    /// The scheduling policy of the thread that asked last (sched(7)).
    policy: AtomicI64,
    /// Whether `generate` and `sign` never answer.
    pub(crate) hangs: AtomicBool,
    /// How every key stands.
    pub(crate) state: Mutex<KeyState>,
}

impl Default for Custody {
    fn default() -> Self {
        Self {
            asked: Mutex::default(),
            policy: AtomicI64::default(),
            hangs: AtomicBool::default(),
            state: Mutex::new(KeyState::Enabled),
        }
    }
}

/// What custody was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) what: What,
    pub(crate) operation: OperationId,
    pub(crate) provider: ProviderId,
    pub(crate) connection: String,
    pub(crate) object: String,
}

/// Which capability was used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Destroy,
    Generate(KeyType),
    Import(KeyType, String),
    Health,
    PublicKey,
    Request,
    Sign(Mechanism),
    State,
}

impl Custody {
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn policy(&self) -> i64 {
        self.policy.load(Ordering::Relaxed)
    }

    async fn hang(&self) {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    fn record(&self, what: What, target: Target) {
        self.policy.store(policy(), Ordering::Relaxed);
        self.asked.lock().unwrap().push(Asked {
            what,
            operation: target.operation,
            provider: target.provider,
            connection: target.connection.as_str().to_owned(),
            object: target.object,
        });
    }
}

/// The policy of this thread: the 39th field behind its name (proc_pid_stat(5)).
fn policy() -> i64 {
    let status = std::fs::read_to_string("/proc/thread-self/stat").unwrap();

    status.rsplit(')').next().unwrap().split_whitespace().nth(38).unwrap().parse().unwrap()
}

pub(crate) const SIGNATURE: [u8; 64] = [7; 64];

#[async_trait]
impl Capabilities for Custody {
    async fn generate(&self, target: Target, key_type: KeyType) -> Result<Vec<u8>, Failure> {
        self.record(What::Generate(key_type), target);
        self.hang().await;
        Ok(b"spki".to_vec())
    }

    async fn import_key(
        &self,
        target: Target,
        key_type: KeyType,
        reference: String,
    ) -> Result<Vec<u8>, Failure> {
        self.record(What::Import(key_type, reference), target);
        Ok(b"spki".to_vec())
    }

    async fn public_key(&self, target: Target) -> Result<Vec<u8>, Failure> {
        self.record(What::PublicKey, target);
        Ok(b"spki".to_vec())
    }

    async fn state(&self, target: Target) -> Result<KeyState, Failure> {
        let is_own = target.object == KEY_ID;
        self.record(What::State, target);
        if !is_own {
            return Err(Failure::new(FailureKind::Denied, "not this operation's"));
        }

        Ok(*self.state.lock().unwrap())
    }

    async fn sign(&self, target: Target, mechanism: Mechanism) -> Result<Vec<u8>, Failure> {
        if target.object != KEY_ID {
            self.record(What::Sign(mechanism), target);
            return Err(Failure::new(FailureKind::Denied, "not this operation's"));
        }

        self.record(What::Sign(mechanism), target);
        self.hang().await;
        Ok(SIGNATURE.to_vec())
    }

    async fn destroy(&self, target: Target) -> Result<(), Failure> {
        self.record(What::Destroy, target);
        Ok(())
    }

    async fn health(&self, origin: Origin) -> Result<(), Failure> {
        self.record(What::Health, object_of(origin, String::new()));
        Ok(())
    }

    async fn request(&self, origin: Origin, request: Outbound) -> Result<Inbound, Failure> {
        let object = format!("{} {}", request.method, request.path);
        self.record(What::Request, object_of(origin, object));
        Ok(Inbound { status: 200, headers: Vec::new(), body: request.body, native_id: None })
    }
}

fn object_of(origin: Origin, object: String) -> Target {
    let Origin { operation, provider, connection } = origin;

    Target { operation, provider, connection, object }
}

pub(crate) fn outside() -> Outside {
    Outside { clock: Arc::new(Real), random: Arc::new(Real), tasks: Arc::new(Real) }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[derive(Debug)]
struct Real;

impl Clock for Real {
    fn now(&self) -> Instant {
        now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn wall(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}

impl Random for Real {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

impl Tasks for Real {
    fn spawn(&self, task: Task) {
        drop(tokio::spawn(task));
    }
}
