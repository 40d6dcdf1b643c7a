//! A whole gateway for tests: the real store, audit log and embedded token, behind a provider of this process that
//! does what the built-in guest does.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Bytes;
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_core::backend::Backend;
use keyport_core::caller::{Caller, Right, Verb};
use keyport_core::custody::{Capabilities, Custody, Mechanism, Origin, Target};
use keyport_core::gateway::{OnDuplicate, Options, Parts, Tenant, Tenants, Versions};
use keyport_core::grant::{ConnectionKind, Grant, Grants, Use};
use keyport_core::key::KeyId;
use keyport_core::name::{ConnectionName, ProviderName};
use keyport_core::provider::{
    Call, CreateKey, Created, Descriptor, ImportKey, KeyRef, Loaded, Provider, ProviderId, Sign,
};
use keyport_core::quota::Quota;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_core::{Failure, FailureKind, Gateway};
use keyport_store::Store;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

use crate::auth::{self, Authenticator, Credentials};
use crate::contract::Contract;
use crate::contract::openapi;
use crate::contract::remote_kms::RemoteKms;
use crate::contract::v1;
use crate::contract::webhook::Webhook;
use crate::listen::{Answer, converse};
use crate::outside::{TokioClock, outside};
use crate::route::{Route, Routes};
use crate::telemetry::Telemetry;
use crate::tls::{Certificates, Files, H2};

/// A gateway with two tenants, `acme` and `globex`, whose tokens are `acme-token` and `globex-token`. A caller of
/// acme's with `narrow-token` may list and sign keys named `x509-*`, and nothing else.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) telemetry: Arc<Telemetry>,
    routes: Arc<Routes>,
    store: Store,
    folder: TempDir,
}

impl World {
    /// With contract `webhook` at `/webhook`.
    pub(crate) async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let outside = outside(Handle::current());
        let store = Store::open(&folder.path().join("data"), Arc::clone(&outside.clock)).await.unwrap();
        let (audit, _recovery) = store.audit(keyport_store::audit::Options::default()).await.unwrap();
        let bounds = Bounds { threads: NonZeroUsize::MIN, ..Bounds::default() };
        let soft = Soft::open(store.sealed(), &MasterKey::random().unwrap(), bounds).await.unwrap();
        let soft: Arc<dyn Backend> = Arc::new(soft);
        let custody = Custody::new(
            outside.clone(),
            store.keys(),
            (HashMap::from([(connection(), soft)]), HashMap::new()),
            1,
        );
        let gateway = Gateway::new(Parts {
            outside: outside.clone(),
            keys: store.keys(),
            audit,
            tenants: tenants(Arc::new(Direct(Arc::clone(&custody)))),
            custody,
            options: Options::default(),
        });

        let telemetry = Arc::new(Telemetry::new(Vec::new, Vec::new));
        let webhook = Webhook {
            gateway: Arc::clone(&gateway),
            authenticator: Arc::new(authenticator()),
            on_duplicate: OnDuplicate::Replace,
        };
        let route = Route { path: "/webhook".to_owned(), contract: Contract::Webhook(webhook) };
        let v1 = v1::V1::new(
            Arc::clone(&gateway),
            Arc::new(authenticator()),
            v1::Settings { grace: Duration::ZERO, publications: publications() },
            Arc::new(v1::Remembered::new(Arc::clone(&outside.clock))),
        );
        let v1 = Route { path: "/v1".to_owned(), contract: Contract::V1(v1) };
        let remote_kms = RemoteKms {
            gateway: Arc::clone(&gateway),
            authenticator: Arc::new(authenticator()),
            on_duplicate: OnDuplicate::Conflict,
            grace: Duration::ZERO,
        };
        let remote_kms = Route { path: "/remote-kms".to_owned(), contract: Contract::RemoteKms(remote_kms) };
        let mut routes = vec![route, v1, remote_kms];
        let served = routes.iter().filter_map(|route| Some((route.contract.part()?, route.path.as_str())));
        let openapi = openapi::OpenApi::new(served).unwrap();
        routes.push(Route { path: openapi::PATH.to_owned(), contract: Contract::OpenApi(openapi) });
        let routes = Routes::new(routes, Duration::from_secs(10), outside, Arc::clone(&telemetry));
        Self { gateway, telemetry, routes: Arc::new(routes), store, folder }
    }

    /// What comes back for the bytes of a request, and for anything hidden behind it.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> Answered {
        let answered = exchange(&self.routes, request.as_ref()).await;
        openapi::tests::assert_described(request.as_ref(), &answered);
        answered
    }

    /// What comes back for a request of acme's first caller.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answered {
        self.ask_as("acme-token", method, path, body).await
    }

    /// What comes back for a request with `token`.
    pub(crate) async fn ask_as(&self, token: &str, method: &str, path: &str, body: &str) -> Answered {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}");

        self.exchange(format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")).await
    }

    /// The events in the audit log so far, the oldest first.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let mut segments: Vec<PathBuf> = std::fs::read_dir(self.folder.path().join("data/audit"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        segments.sort();

        segments
            .iter()
            .flat_map(|path| {
                let text = std::fs::read_to_string(path).unwrap();
                // Zeros at the end are room for more.
                let written = text.trim_end_matches('\0');
                written.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Makes every later write to the audit log fail.
    pub(crate) async fn close_audit(&self) {
        self.store.close().await;
    }
}

/// One HTTP/1.1 response.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answered {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();

        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The body.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A field of the body that is text.
    pub(crate) fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap().to_owned()
    }
}

/// Everything that comes back for `request` over a connection of its own.
pub(crate) async fn exchange(answer: &Arc<impl Answer>, request: &[u8]) -> Answered {
    let (mut client, server) = duplex(256 * 1024);
    let served = tokio::spawn(converse(server, Arc::clone(answer)));
    // Whoever refuses a request need not read all of it.
    drop(client.write_all(request).await);

    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    served.await.unwrap();
    Answered::parse(&text)
}

/// A certificate for localhost, and a connector that trusts it and speaks HTTP/2.
pub(crate) fn certificates() -> (Arc<Certificates>, TlsConnector) {
    let folder = TempDir::new().unwrap();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = Files {
        certificate: folder.path().join("server.pem"),
        key: folder.path().join("server.key"),
        client_cas: Vec::new(),
    };
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    let certificates = Certificates::open(files, Arc::new(TokioClock)).unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![H2.to_vec()];
    (Arc::new(certificates), Arc::new(config).into())
}

fn connection() -> ConnectionName {
    "embedded".parse().unwrap()
}

fn authenticator() -> Authenticator {
    let every = |tenant: &str| {
        right(
            tenant,
            "tds",
            Right {
                verbs: Verb::ALL.into_iter().collect(),
                keys: vec!["*".parse().unwrap()],
                key_types: None,
            },
        )
    };
    let narrow = right(
        "acme",
        "narrow",
        Right {
            verbs: [Verb::List, Verb::Sign].into_iter().collect(),
            keys: vec!["x509-*".parse().unwrap()],
            key_types: None,
        },
    );
    let hash = |token: &str| digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap();

    let callers =
        [("acme-token", every("acme")), ("globex-token", every("globex")), ("narrow-token", narrow)];
    let callers = callers.map(|(token, caller)| Credentials::of_tokens(caller, vec![hash(token)])).into();
    Authenticator::new(auth::Parts { callers, ..auth::Parts::default() }, None, outside(Handle::current()))
}

fn publications() -> Vec<v1::Publication> {
    [("all", "*", v1::KidForm::Thumbprint), ("x509", "x509-*", v1::KidForm::SubjectKeyId)]
        .map(|(id, keys, kid)| v1::Publication {
            id: id.to_owned(),
            tenant: "acme".parse().unwrap(),
            keys: vec![keys.parse().unwrap()],
            kid,
        })
        .into()
}

fn right(tenant: &str, name: &str, right: Right) -> Arc<Caller> {
    Arc::new(Caller {
        tenant: tenant.parse().unwrap(),
        name: name.parse().unwrap(),
        rights: Arc::new([right]),
    })
}

fn tenants(provider: Arc<Direct>) -> Tenants {
    let name: ProviderName = "soft".parse().unwrap();
    let hashes = |scheme: fn(Hash) -> Scheme| Hash::ALL.map(scheme).to_vec();
    let ecdsa = |key_type| (key_type, hashes(Scheme::Ecdsa));
    let loaded = Loaded {
        id: PROVIDER,
        name: name.clone(),
        component: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
        grants: Arc::new(Grants::new(vec![Grant {
            connection: connection(),
            kind: ConnectionKind::Soft,
            uses: Use::ALL.into_iter().collect(),
            mechanisms: None,
            objects: vec!["id:*".parse().unwrap()],
            requests: Vec::new(),
        }])),
        descriptor: Descriptor {
            name: "direct".to_owned(),
            version: "0.0.0".to_owned(),
            offers: vec![
                ecdsa(KeyType::EcP256),
                ecdsa(KeyType::EcP384),
                ecdsa(KeyType::EcP521),
                (KeyType::Ed25519, vec![Scheme::Ed25519]),
                (KeyType::Rsa2048, [hashes(Scheme::RsaPkcs1v15), hashes(Scheme::RsaPss)].concat()),
            ],
            max_message: 65_536,
            properties: Vec::new(),
        },
        imports: true,
        required: true,
        connections: 1,
        provider,
    };
    let tenant = Tenant {
        default_provider: name.clone(),
        routes: Vec::new(),
        providers: HashMap::from([(name, Versions::of(loaded))]),
        grace: Duration::from_secs(3600),
        quota: Quota::default(),
        callers: HashMap::new(),
        keys: None,
    };

    Tenants::new(["acme", "globex"].map(|name| (name.parse().unwrap(), tenant.clone())).into())
}

/// Passes everything on to custody.
#[derive(Debug)]
struct Direct(Arc<Custody>);

impl Direct {
    fn target(call: &Call, key: KeyId) -> Target {
        let object = key.to_string();

        Target { operation: call.operation, provider: PROVIDER, connection: connection(), object }
    }
}

#[async_trait]
impl Provider for Direct {
    async fn create_key(&self, call: Call, request: CreateKey) -> Result<Created, Failure> {
        let public_key = self.0.generate(Self::target(&call, request.id), request.key_type).await?;

        Ok(Created { handle: None, public_key })
    }

    async fn import_key(&self, call: Call, request: ImportKey) -> Result<Created, Failure> {
        let ImportKey { key, reference } = request;
        let public_key = self.0.import_key(Self::target(&call, key.id), key.key_type, reference).await?;

        Ok(Created { handle: None, public_key })
    }

    async fn public_key(&self, call: Call, key: KeyRef) -> Result<Vec<u8>, Failure> {
        self.0.public_key(Self::target(&call, key.id)).await
    }

    async fn sign(&self, call: Call, request: Sign) -> Result<Vec<u8>, Failure> {
        let mechanism = match request.scheme {
            Scheme::Ecdsa(_) => Mechanism::Ecdsa,
            Scheme::RsaPkcs1v15(hash) => Mechanism::RsaPkcs1v15(hash),
            Scheme::RsaPss(hash) => Mechanism::RsaPss(hash),
            Scheme::Ed25519 => Mechanism::Ed25519,
            Scheme::MlDsa => Mechanism::MlDsa,
            Scheme::Ed25519ph => {
                return Err(Failure::new(FailureKind::Unsupported, "the embedded token has no such scheme"));
            }
        };

        self.0.sign(Self::target(&call, request.key.id), mechanism).await
    }

    async fn destroy_key(&self, call: Call, key: KeyRef) -> Result<(), Failure> {
        self.0.destroy(Self::target(&call, key.id)).await
    }

    async fn health(&self, call: Call) -> Result<(), Failure> {
        let origin = Origin { operation: call.operation, provider: PROVIDER, connection: connection() };

        self.0.health(origin).await
    }
}

const PROVIDER: ProviderId = ProviderId(1);

/// A response as it is on the wire, but for the headers that hyper adds.
pub(crate) async fn wire(response: Response<Full<Bytes>>) -> String {
    let (head, body) = response.into_parts();
    let mut headers: Vec<_> =
        head.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    headers.sort();
    let body = body.collect().await.unwrap().to_bytes();

    format!("{}\n{}\n{}\n", head.status, headers.concat(), str::from_utf8(&body).unwrap())
}
