//! Ports in memory and a provider that misbehaves as told, for this crate's own tests.
#![expect(clippy::wildcard_enum_match_arm, reason = "most conducts concern one function of the provider")]

pub(crate) mod requests;
mod token;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::digest::{Digest as AwsDigest, SHA256};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::audit::{AuditLog, Event, Operation, Outcome};
use crate::backend::{Backend, Generate, Generated, Object};
use crate::caller::{Caller, Right, Verb};
use crate::custody::{Capabilities, Custody, Mechanism, Origin, Target};
use crate::failure::{Failure, FailureKind};
use crate::gateway::{
    Context, CreateRequest, OnDuplicate, Options, Parts, SignRequest, Signed, Source, Tenant, Tenants,
    Versions,
};
use crate::grant::{ConnectionKind, Grant, Grants, Use};
use crate::import::Material;
use crate::input::{Digest, Input};
use crate::key::{Key, KeyId, KeyName, NativeId, State};
use crate::name::{ConnectionName, TenantId};
use crate::outside::{Clock, Outside, Random, Task, Tasks, Timestamp};
use crate::policy::How;
use crate::provider::{
    Call, CreateKey, Created, Descriptor, ImportKey, KeyRef, Loaded, Provider, ProviderId, Sign,
};
use crate::public_key::PublicKey;
use crate::quota::Quota;
use crate::scheme::{Hash, KeyType, Scheme};
use crate::secret::Secret;
use crate::store::Keys;
use crate::trial::Trial;
use crate::{Error, Gateway, Result};
pub(crate) use token::TestToken;
use token::public;

/// A gateway over ports in memory, and those ports to look at and to break.
pub(crate) struct World<B = TestToken, P = TestProvider> {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) keys: Arc<MemoryKeys>,
    pub(crate) audit: Arc<MemoryAudit>,
    pub(crate) backend: Arc<B>,
    pub(crate) provider: Arc<P>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) clock: Arc<TestClock>,
}

/// How the provider behaves. All but the first try what they must not.
#[derive(Clone, Debug)]
pub(crate) enum Conduct {
    /// As it should.
    Honest,
    /// Signs with this object instead of the key's own.
    OtherObject(String),
    /// Asks for two signatures and returns the second.
    SignsTwice,
    /// Signs with a mechanism of another scheme.
    OtherMechanism,
    /// Signs with an id that is no operation's.
    OutsideOperation,
    /// Names itself another provider.
    OtherProvider,
    /// Answers bytes that nobody signed.
    Forges,
    /// Changes one bit of the signature.
    Tampers,
    /// Signs while it should create, or creates while it should sign.
    OtherOperation,
    /// Answers this public key at create.
    OtherPublicKey(Vec<u8>),
    /// Answers at create without having made anything.
    CreatesNothing,
    /// Answers a handle that is too long.
    LongHandle,
    /// Says it destroyed a key, and did not.
    KeepsKeys,
    /// Fails without asking anybody.
    Fails(FailureKind),
    /// Goes on with capabilities after its call was given up.
    Lingers,
    /// Signs when its time is over.
    Late(Arc<TestClock>),
    /// Names another reference at import than it was given.
    OtherReference,
    /// Takes over the same key pair twice.
    ImportsTwice,
    /// Takes over a key pair while it should have one made, or has one made while it should take one over.
    SwapsSources,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut Grant)) -> Self {
        let connection: ConnectionName = "embedded".parse().unwrap();
        let mut grant = Grant {
            connection: connection.clone(),
            kind: ConnectionKind::Soft,
            uses: Use::ALL.into_iter().collect(),
            mechanisms: None,
            objects: Vec::new(),
            requests: Vec::new(),
        };
        adjust(&mut grant);

        Self::of(Arc::new(TestToken::default()), (grant, Vec::new()), |custody, id| TestProvider {
            custody,
            id,
            connection,
            conduct: Mutex::new(Conduct::Honest),
            lingering: Mutex::new(None),
        })
    }

    /// A trial of the provider, for this tenant.
    pub(crate) fn trial(&self, tenant: &str) -> Trial {
        let outside =
            Outside { clock: self.clock.clone(), random: Arc::new(TestRandom), tasks: Arc::new(TokioTasks) };

        Trial::new(tenant.parse().unwrap(), self.provider.custody.clone(), self.keys.clone(), outside)
            .unwrap()
    }

    /// Another version of the provider, with the same grants.
    pub(crate) fn version(&self, id: u64, conduct: Conduct) -> Arc<Loaded> {
        let (serving, _) = self.gateway.providers(&self.caller.tenant).remove(0);
        let provider = Arc::new(TestProvider {
            custody: self.provider.custody.clone(),
            id: ProviderId(id),
            connection: self.provider.connection.clone(),
            conduct: Mutex::new(conduct),
            lingering: Mutex::new(None),
        });

        Arc::new(loaded(ProviderId(id), provider, (*serving.grants).clone(), Vec::new()))
    }

    /// Serves both tenants by these versions from now on.
    pub(crate) fn serve(&self, versions: &Arc<Versions>) {
        self.gateway.reload(served_by(versions));
    }

    pub(crate) fn behave(&self, conduct: Conduct) {
        *self.provider.conduct.lock().unwrap() = conduct;
    }
}

impl<B: Backend + 'static, P: Provider + 'static> World<B, P> {
    /// A gateway whose one provider has this one grant, on `backend`, and says these properties of itself.
    fn of(
        backend: Arc<B>,
        (grant, properties): (Grant, Vec<(String, String)>),
        provider: impl FnOnce(Arc<Custody>, ProviderId) -> P,
    ) -> Self {
        let clock = Arc::new(TestClock::default());
        let outside =
            Outside { clock: clock.clone(), random: Arc::new(TestRandom), tasks: Arc::new(TokioTasks) };
        let (keys, audit) = (Arc::<MemoryKeys>::default(), Arc::<MemoryAudit>::default());
        let token: Arc<dyn Backend> = backend.clone();
        let backends = HashMap::from([(grant.connection.clone(), token)]);
        let custody = Custody::new(outside.clone(), keys.clone(), backends, CONNECTIONS);
        let provider = Arc::new(provider(custody.clone(), ProviderId(7)));
        let loaded = loaded(ProviderId(7), provider.clone(), Grants::new(vec![grant]), properties);
        let tenants = served_by(&Versions::of(loaded));
        let gateway = Gateway::new(Parts {
            outside,
            keys: keys.clone(),
            audit: audit.clone(),
            custody,
            tenants,
            options: Options::default(),
        });

        Self { gateway, keys, audit, backend, provider, caller: caller("acme"), clock }
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            request_id: "r-1".parse().unwrap(),
            contract: "webhook",
            deadline: self.clock.now() + Duration::from_secs(10),
        }
    }

    pub(crate) async fn create(&self, name: &str, on_duplicate: OnDuplicate) -> Result<Arc<Key>> {
        let request = CreateRequest {
            name: key_name(name),
            source: Source::Generate(KeyType::EcP256),
            provider: None,
            on_duplicate,
        };

        self.gateway.create(&self.caller, self.context(), request).await
    }

    pub(crate) async fn import(&self, name: &str, material: Material) -> Result<Arc<Key>> {
        let request = CreateRequest {
            name: key_name(name),
            source: Source::Import(material),
            provider: None,
            on_duplicate: OnDuplicate::Conflict,
        };

        self.gateway.create(&self.caller, self.context(), request).await
    }

    pub(crate) async fn sign(&self, name: &str) -> Result<Signed> {
        let input = Input::Digest(Digest::of(Hash::Sha256, b"hello"));
        let request = SignRequest { name: key_name(name), how: How::Usual, input };

        self.gateway.sign(&self.caller, self.context(), request).await
    }

    /// The events of one operation, as `outcome:reason`.
    pub(crate) fn events(&self, operation: Operation) -> Vec<String> {
        let events = self.audit.events.lock().unwrap();
        events
            .iter()
            .filter(|event| event.operation == operation)
            .map(|event| match event.reason {
                Some(reason) => format!("{}:{reason}", event.outcome.as_str()),
                None => event.outcome.as_str().to_owned(),
            })
            .collect()
    }
}

/// Some moment.
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A new P-256 key pair.
pub(crate) fn material() -> Material {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let scalar = Secret::new(pair.private_key().as_be_bytes().unwrap().as_ref().to_vec());

    Material::Ec { key_type: KeyType::EcP256, scalar, point: pair.public_key().as_ref().to_vec() }
}

pub(crate) fn key_name(text: &str) -> KeyName {
    KeyName::new("key_id", text).unwrap()
}

pub(crate) fn caller(tenant: &str) -> Arc<Caller> {
    Arc::new(Caller {
        tenant: tenant.parse().unwrap(),
        name: "tds".parse().unwrap(),
        rights: vec![Right {
            verbs: Verb::ALL.into_iter().collect(),
            keys: vec!["*".parse().unwrap()],
            key_types: None,
        }]
        .into(),
    })
}

/// How many requests of a tenant's may be on their way at a time.
pub(crate) const CONNECTIONS: usize = 3;

fn loaded(
    id: ProviderId,
    provider: Arc<dyn Provider>,
    grants: Grants,
    properties: Vec<(String, String)>,
) -> Loaded {
    Loaded {
        id,
        name: "test".parse().unwrap(),
        component: format!("sha256:{:064}", id.0).parse().unwrap(),
        grants: Arc::new(grants),
        descriptor: Descriptor {
            name: "test".to_owned(),
            version: "0.0.0".to_owned(),
            offers: vec![(KeyType::EcP256, Hash::ALL.into_iter().map(Scheme::Ecdsa).collect())],
            max_message: 65536,
            properties,
        },
        imports: true,
        required: true,
        connections: 2 * CONNECTIONS,
        provider,
    }
}

/// Both tenants, served by these versions.
pub(crate) fn served_by(versions: &Arc<Versions>) -> Tenants {
    let name = versions.serving().name.clone();
    let tenant = Tenant {
        default_provider: name.clone(),
        routes: Vec::new(),
        providers: HashMap::from([(name, versions.clone())]),
        grace: Duration::from_secs(3600),
        quota: Quota { requests: Some(100_000), ..Quota::default() },
        callers: HashMap::from([(
            "small".parse().unwrap(),
            Quota { requests: Some(5), bytes: Some(1000), in_flight: Some(1) },
        )]),
        keys: Some(50),
    };

    Tenants::new(HashMap::from([
        ("acme".parse().unwrap(), tenant.clone()),
        ("globex".parse().unwrap(), tenant),
    ]))
}

#[derive(Debug)]
pub(crate) struct TestProvider {
    custody: Arc<Custody>,
    id: ProviderId,
    connection: ConnectionName,
    conduct: Mutex<Conduct>,
    lingering: Mutex<Option<Target>>,
}

impl TestProvider {
    fn target(&self, call: &Call, key: KeyId) -> Target {
        Target {
            operation: call.operation,
            provider: self.id,
            connection: self.connection.clone(),
            object: key.to_string(),
        }
    }

    /// Uses the capability of a call that is over.
    pub(crate) async fn linger(&self) -> Result<Vec<u8>, Failure> {
        let target = self.lingering.lock().unwrap().clone().unwrap();
        self.custody.sign(target, Mechanism::Ecdsa).await
    }
}

#[async_trait]
impl Provider for TestProvider {
    async fn create_key(&self, call: Call, request: CreateKey) -> Result<Created, Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        let target = self.target(&call, request.id);
        match conduct {
            Conduct::Fails(kind) => return Err(Failure::new(kind, "as told")),
            Conduct::OtherOperation => {
                self.custody.sign(target, Mechanism::Ecdsa).await?;
                unreachable!("custody let a create sign");
            }
            Conduct::CreatesNothing => {
                return Ok(Created { handle: None, public_key: TestToken::fixed_public() });
            }
            Conduct::SwapsSources => {
                let reference = request.id.to_string();
                let public_key = self.custody.import_key(target, request.key_type, reference).await?;
                return Ok(Created { handle: None, public_key });
            }
            _ => (),
        }

        let public_key = self.custody.generate(target, request.key_type).await?;
        Ok(match conduct {
            Conduct::OtherPublicKey(public_key) => Created { handle: None, public_key },
            Conduct::LongHandle => Created { handle: Some(vec![0; 4097]), public_key },
            _ => Created { handle: Some(b"handle".to_vec()), public_key },
        })
    }

    async fn import_key(&self, call: Call, request: ImportKey) -> Result<Created, Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        let ImportKey { key, reference } = request;
        let (custody, target, key_type) = (&self.custody, self.target(&call, key.id), key.key_type);

        let public_key = match conduct {
            Conduct::SwapsSources => custody.generate(target, key_type).await?,
            Conduct::OtherReference => custody.import_key(target, key_type, key.id.to_string()).await?,
            Conduct::ImportsTwice => {
                custody.import_key(target.clone(), key_type, reference.clone()).await?;
                custody.import_key(target, key_type, reference).await?
            }
            Conduct::OtherPublicKey(public_key) => {
                custody.import_key(target, key_type, reference).await?;
                public_key
            }
            _ => custody.import_key(target, key_type, reference).await?,
        };
        Ok(Created { handle: None, public_key })
    }

    async fn public_key(&self, call: Call, key: KeyRef) -> Result<Vec<u8>, Failure> {
        self.custody.public_key(self.target(&call, key.id)).await
    }

    async fn sign(&self, call: Call, request: Sign) -> Result<Vec<u8>, Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        let target = self.target(&call, request.key.id);
        let custody = &self.custody;
        match conduct {
            Conduct::OtherObject(object) => custody.sign(Target { object, ..target }, Mechanism::Ecdsa).await,
            Conduct::SignsTwice => {
                custody.sign(target.clone(), Mechanism::Ecdsa).await?;
                custody.sign(target, Mechanism::Ecdsa).await
            }
            Conduct::OtherMechanism => custody.sign(target, Mechanism::RsaPss(Hash::Sha256)).await,
            Conduct::OutsideOperation => {
                let operation = crate::custody::OperationId(u64::MAX);
                custody.sign(Target { operation, ..target }, Mechanism::Ecdsa).await
            }
            Conduct::OtherProvider => {
                custody.sign(Target { provider: ProviderId(8), ..target }, Mechanism::Ecdsa).await
            }
            Conduct::Forges => Ok(vec![1; 64]),
            Conduct::Tampers => {
                let mut signature = custody.sign(target, Mechanism::Ecdsa).await?;
                signature[10] ^= 1;
                Ok(signature)
            }
            Conduct::OtherOperation => custody.generate(target, KeyType::EcP256).await,
            Conduct::Fails(kind) => Err(Failure::new(kind, "as told")),
            Conduct::Late(clock) => {
                clock.advance(Duration::from_secs(3600));
                custody.sign(target, Mechanism::Ecdsa).await
            }
            Conduct::Lingers => {
                *self.lingering.lock().unwrap() = Some(target);
                Err(Failure::new(FailureKind::Unavailable, "later"))
            }
            _ => custody.sign(target, Mechanism::Ecdsa).await,
        }
    }

    async fn destroy_key(&self, call: Call, key: KeyRef) -> Result<(), Failure> {
        let conduct = self.conduct.lock().unwrap().clone();
        match conduct {
            Conduct::KeepsKeys => Ok(()),
            Conduct::Fails(kind) => Err(Failure::new(kind, "as told")),
            _ => self.custody.destroy(self.target(&call, key.id)).await,
        }
    }

    async fn health(&self, call: Call) -> Result<(), Failure> {
        let origin =
            Origin { operation: call.operation, provider: self.id, connection: self.connection.clone() };

        self.custody.health(origin).await
    }
}

/// Rows in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryKeys(pub(crate) Mutex<Vec<Key>>);

#[async_trait]
impl Keys for MemoryKeys {
    async fn insert(&self, _: &TenantId, key: &Key) -> Result<()> {
        let mut rows = self.0.lock().unwrap();
        let taken = |row: &Key| {
            row.tenant == key.tenant && row.name == key.name && row.state == State::Pending
                || row.id == key.id
                || key.native_id.is_some() && row.native_id == key.native_id && row.state != State::Destroyed
        };
        if rows.iter().any(taken) {
            return Err(Error::KeyExists);
        }
        rows.push(key.clone());
        Ok(())
    }

    async fn update(&self, tenant: &TenantId, keys: &[Key]) -> Result<bool> {
        let mut rows = self.0.lock().unwrap();
        let mut next = rows.clone();
        for key in keys {
            let stored = next.iter_mut().find(|row| row.tenant == *tenant && row.id == key.id);
            match stored {
                Some(row) if row.revision == key.revision => {
                    *row = Key { revision: key.revision + 1, ..key.clone() };
                }
                _ => return Ok(false),
            }
        }
        let mut active = BTreeSet::new();
        let unique = next
            .iter()
            .filter(|row| row.state == State::Active)
            .all(|row| active.insert((row.tenant.clone(), row.name.clone())));
        let mut objects = HashSet::new();
        let unique = unique
            && next
                .iter()
                .filter(|row| row.state != State::Destroyed && row.native_id.is_some())
                .all(|row| objects.insert((row.connection.clone(), row.native_id.clone())));
        if unique {
            *rows = next;
        }
        Ok(unique)
    }

    async fn active(&self, tenant: &TenantId, name: &KeyName) -> Result<Option<Arc<Key>>> {
        let rows = self.0.lock().unwrap();
        let active = |row: &&Key| row.tenant == *tenant && row.name == *name && row.state == State::Active;
        Ok(rows.iter().find(active).cloned().map(Arc::new))
    }

    async fn key(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Arc<Key>>> {
        let rows = self.0.lock().unwrap();
        Ok(rows.iter().find(|row| row.tenant == *tenant && row.id == id).cloned().map(Arc::new))
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Arc<Key>>> {
        let rows = self.0.lock().unwrap();
        let shown =
            |row: &&Key| row.tenant == *tenant && (row.state != State::Destroyed || row.event.is_none());
        Ok(rows.iter().filter(shown).cloned().map(Arc::new).collect())
    }

    async fn tenants(&self) -> Result<Vec<TenantId>> {
        let rows = self.0.lock().unwrap();
        Ok(rows.iter().map(|row| row.tenant.clone()).collect::<BTreeSet<_>>().into_iter().collect())
    }
}

/// Events in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryAudit {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) broken: AtomicBool,
    /// Refuses just events of this operation and outcome.
    pub(crate) refusing: Mutex<Option<(Operation, Outcome)>>,
}

#[async_trait]
impl AuditLog for MemoryAudit {
    async fn append(&self, event: Event) -> Result<u64> {
        let refusing = *self.refusing.lock().unwrap() == Some((event.operation, event.outcome));
        if self.broken.load(Ordering::Relaxed) || refusing {
            return Err(Error::unavailable("the log was told to fail"));
        }
        let mut events = self.events.lock().unwrap();
        events.push(event);
        Ok(u64::try_from(events.len()).unwrap())
    }

    async fn append_all(&self, events: Vec<Event>) -> Result<u64> {
        let mut first = None;
        for event in events {
            let place = self.append(event).await?;
            first.get_or_insert(place);
        }
        Ok(first.unwrap_or_default())
    }

    fn is_writable(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }
}

/// Tokio's clock, which tests can pause, and a wall clock that they can move.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    ahead: Mutex<Duration>,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std() + *self.ahead.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from(SystemTime::UNIX_EPOCH).plus(*self.ahead.lock().unwrap())
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        let ahead = *self.ahead.lock().unwrap();
        Box::pin(tokio::time::sleep_until((deadline - ahead).into()))
    }
}

#[derive(Debug)]
struct TestRandom;

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) {
        SystemRandom::new().fill(bytes).unwrap();
    }
}

#[derive(Debug)]
struct TokioTasks;

impl Tasks for TokioTasks {
    fn spawn(&self, task: Task) {
        drop(tokio::spawn(task));
    }
}
