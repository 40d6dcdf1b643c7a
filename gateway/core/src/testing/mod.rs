//! Ports in memory and a provider that misbehaves as told, for this crate's own tests.

mod memory;
mod provider;
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
use crate::backend::{Backend, Generate, Generated, KeyState, Object};
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
pub(crate) use memory::{MemoryAudit, MemoryKeys, TestClock};
use memory::{TestRandom, TokioTasks};
pub(crate) use provider::{Conduct, TestProvider};
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

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut Grant)) -> Self {
        let mut grant = Grant {
            connection: "embedded".parse().unwrap(),
            kind: ConnectionKind::Soft,
            uses: Use::ALL.into_iter().collect(),
            mechanisms: None,
            objects: Vec::new(),
            requests: Vec::new(),
        };
        adjust(&mut grant);

        Self::over(grant, HashMap::new())
    }

    /// The same, whose connection has a replica, which has no keys yet.
    pub(crate) fn replicated() -> (Self, Arc<TestToken>) {
        let (replica, name) = (Arc::<TestToken>::default(), "stand-in".parse().unwrap());
        let token: Arc<dyn Backend> = replica.clone();
        let mut grant = Grant::of_requests("embedded".parse().unwrap(), Vec::new());
        (grant.kind, grant.uses) = (ConnectionKind::Soft, Use::ALL.into_iter().collect());
        grant.objects = vec!["id:*".parse().unwrap()];

        (Self::over(grant, HashMap::from([(name, token)])), replica)
    }

    fn over(grant: Grant, replicas: HashMap<ConnectionName, Arc<dyn Backend>>) -> Self {
        let connection = grant.connection.clone();

        Self::of((Arc::default(), replicas), (grant, Vec::new()), |custody, id| TestProvider {
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

    /// Serves both tenants by a second provider besides, which has this id and is called as its connection is.
    pub(crate) fn serve_by_another(&self, id: u64, connection: &str) {
        let (serving, _) = self.gateway.providers(&self.caller.tenant).remove(0);
        let connection: ConnectionName = connection.parse().unwrap();
        let mut grant = Grant::of_requests(connection.clone(), Vec::new());
        (grant.kind, grant.uses) = (ConnectionKind::Soft, Use::ALL.into_iter().collect());
        let provider = Arc::new(TestProvider {
            custody: self.provider.custody.clone(),
            id: ProviderId(id),
            connection,
            conduct: Mutex::new(Conduct::Honest),
            lingering: Mutex::new(None),
        });
        let name = provider.connection.as_str().parse().unwrap();
        let another = loaded(ProviderId(id), provider, Grants::new(vec![grant]), Vec::new());

        self.gateway.reload(served_by_all(&[
            Versions::of((*serving).clone()),
            Versions::of(Loaded { name, ..another }),
        ]));
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
        (backend, replicas): (Arc<B>, HashMap<ConnectionName, Arc<dyn Backend>>),
        (grant, properties): (Grant, Vec<(String, String)>),
        provider: impl FnOnce(Arc<Custody>, ProviderId) -> P,
    ) -> Self {
        let clock = Arc::new(TestClock::default());
        let outside =
            Outside { clock: clock.clone(), random: Arc::new(TestRandom), tasks: Arc::new(TokioTasks) };
        let (keys, audit) = (Arc::<MemoryKeys>::default(), Arc::<MemoryAudit>::default());
        let token: Arc<dyn Backend> = backend.clone();
        let names = HashMap::from([(grant.connection.clone(), replicas.keys().cloned().collect())]);
        let mut backends = replicas;
        backends.insert(grant.connection.clone(), token);
        let custody = Custody::new(outside.clone(), keys.clone(), (backends, names), CONNECTIONS);
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
            digest_as_message: false,
            provider: None,
            on_duplicate,
        };

        self.gateway.create(&self.caller, self.context(), request).await
    }

    pub(crate) async fn import(&self, name: &str, material: Material) -> Result<Arc<Key>> {
        let request = CreateRequest {
            name: key_name(name),
            source: Source::Import(material),
            digest_as_message: false,
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
    served_by_all(std::slice::from_ref(versions))
}

/// Both tenants, served by these providers, the first of which makes their keys.
fn served_by_all(providers: &[Arc<Versions>]) -> Tenants {
    let name = |versions: &Arc<Versions>| versions.serving().name.clone();
    let tenant = Tenant {
        default_provider: name(&providers[0]),
        routes: Vec::new(),
        providers: providers.iter().map(|versions| (name(versions), Arc::clone(versions))).collect(),
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
