//! A key service that takes requests, and a provider that words them: honestly, or as told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use aws_lc_rs::digest::{Digest as AwsDigest, SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use super::{TestToken, World, public};
use crate::backend::{Backend, Generate, Generated, Object};
use crate::custody::{Capabilities, Custody, Mechanism, Origin};
use crate::failure::{Failure, FailureKind};
use crate::grant::Grant;
use crate::input::Input;
use crate::key::{KeyId, NativeId};
use crate::name::{ConnectionName, TenantId};
use crate::outbound::{During, Inbound, Method, Outbound, Rule};
use crate::provider::{Call, CreateKey, Created, ImportKey, KeyRef, Provider, ProviderId, Sign};
use crate::public_key::PublicKey;

/// How the provider behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trick {
    None,
    /// Answers a create with another public half than the service did.
    OtherPublicKey,
    /// Answers a create without a request.
    CreatesNothing,
    /// Signs with another key of the service.
    OtherKey,
    /// Asks for two signatures.
    SignsTwice,
    /// Makes a key while it should sign.
    CreatesAtSign,
    /// Answers bytes of its own.
    Forges,
    /// Says that it destroyed what it never asked about.
    KeepsKeys,
}

pub(crate) type ServiceWorld = World<Service, ServiceProvider>;

impl ServiceWorld {
    /// With a service that calls keys by names of its own, or by their key-id.
    pub(crate) fn of_service(names: bool) -> Self {
        Self::of_one(Service { names, ..Service::default() })
    }

    /// With a service that hashes by itself, which its provider says.
    pub(crate) fn of_hashing_service() -> Self {
        Self::of_one(Service { hashes: true, ..Service::default() })
    }

    fn of_one(service: Service) -> Self {
        let rule = |during, method, path: &str| Rule {
            during,
            method,
            path: path.parse().unwrap(),
            times: 1,
            native_id: None,
        };
        let create = rule(During::Create, Method::Post, "/keys");
        let connection: ConnectionName = "kms".parse().unwrap();
        let requests = vec![
            Rule { native_id: service.names.then(|| "/id".to_owned()), ..create },
            rule(During::Sign, Method::Post, "/keys/{key}/sign"),
            rule(During::Destroy, Method::Delete, "/keys/{key}"),
        ];
        let grant = Grant::of_requests(connection.clone(), requests);

        let hashes = service.hashes.then(|| ("input".to_owned(), "message".to_owned()));
        let told = (grant, hashes.into_iter().collect());
        Self::of((Arc::new(service), HashMap::new()), told, |custody, id| ServiceProvider {
            custody,
            id,
            connection,
            trick: Mutex::new(Trick::None),
        })
    }

    pub(crate) fn play(&self, trick: Trick) {
        *self.provider.trick.lock().unwrap() = trick;
    }
}

#[derive(Debug, Default)]
pub(crate) struct Service {
    names: bool,
    hashes: bool,
    pub(crate) keys: Mutex<HashMap<String, EcdsaKeyPair>>,
    pub(crate) requests: AtomicUsize,
    /// Whether it makes keys that do not sign.
    pub(crate) cannot_sign: AtomicBool,
    /// Held while a request waits.
    pub(crate) gate: tokio::sync::Mutex<()>,
}

impl Service {
    fn serve(&self, request: &Outbound) -> (u16, Vec<u8>, Option<String>) {
        let mut keys = self.keys.lock().unwrap();
        let segments: Vec<_> = request.path.split('/').skip(1).collect();
        match (request.method, segments.as_slice()) {
            (Method::Post, ["keys"]) => {
                let asked = String::from_utf8(request.body.clone()).unwrap();
                let name = if self.names { format!("service-{}", keys.len()) } else { asked };
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                let spki = public(&pair);
                keys.insert(name.clone(), pair);
                (201, spki, Some(name))
            }
            (Method::Post, ["keys", key, "sign"]) if !self.cannot_sign.load(Ordering::Relaxed) => {
                let digest = match self.hashes {
                    true => digest(&SHA256, &request.body),
                    false => AwsDigest::import_less_safe(&request.body, &SHA256).unwrap(),
                };
                match keys.get(*key) {
                    Some(pair) => (200, pair.sign_digest(&digest).unwrap().as_ref().to_vec(), None),
                    None => (404, Vec::new(), None),
                }
            }
            (Method::Delete, ["keys", key]) => {
                (if keys.remove(*key).is_some() { 204 } else { 404 }, Vec::new(), None)
            }
            _ => (405, Vec::new(), None),
        }
    }
}

#[async_trait]
impl Backend for Service {
    fn acts_outside(&self) -> bool {
        true
    }

    fn takes_requests(&self) -> bool {
        true
    }

    async fn send(
        &self,
        request: &Outbound,
        native_id: Option<&str>,
        _: Instant,
    ) -> Result<Inbound, Failure> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        drop(self.gate.lock().await);
        let (status, body, name) = self.serve(request);

        let native_id = native_id.and(name).map(NativeId::new);
        Ok(Inbound { status, headers: Vec::new(), body, native_id })
    }

    async fn generate(&self, _: Generate, _: Instant) -> Result<Generated, Failure> {
        Err(only_requests())
    }

    async fn find(&self, _: &TenantId, _: KeyId, _: Instant) -> Result<Option<NativeId>, Failure> {
        Err(only_requests())
    }

    async fn public_key(&self, _: &Object, _: Instant) -> Result<PublicKey, Failure> {
        Err(only_requests())
    }

    async fn sign(&self, _: &Object, _: Mechanism, _: &[u8], _: Instant) -> Result<Vec<u8>, Failure> {
        Err(only_requests())
    }

    async fn destroy(&self, _: &Object, _: Instant) -> Result<(), Failure> {
        Err(only_requests())
    }

    async fn health(&self, _: Instant) -> Result<(), Failure> {
        Ok(())
    }
}

fn only_requests() -> Failure {
    Failure::new(FailureKind::Unsupported, "it takes requests")
}

#[derive(Debug)]
pub(crate) struct ServiceProvider {
    custody: Arc<Custody>,
    id: ProviderId,
    connection: ConnectionName,
    trick: Mutex<Trick>,
}

impl ServiceProvider {
    async fn ask(&self, call: &Call, method: Method, path: &str, body: Vec<u8>) -> Result<Inbound, Failure> {
        let origin =
            Origin { operation: call.operation, provider: self.id, connection: self.connection.clone() };

        self.custody
            .request(origin, Outbound { method, path: path.to_owned(), headers: Vec::new(), body })
            .await
    }

    fn trick(&self) -> Trick {
        *self.trick.lock().unwrap()
    }
}

#[async_trait]
impl Provider for ServiceProvider {
    async fn create_key(&self, call: Call, request: CreateKey) -> Result<Created, Failure> {
        let trick = self.trick();
        if trick == Trick::CreatesNothing {
            return Ok(Created { handle: None, public_key: TestToken::fixed_public() });
        }

        let answer = self.ask(&call, Method::Post, "/keys", request.id.to_string().into_bytes()).await?;
        let public_key = if trick == Trick::OtherPublicKey { TestToken::fixed_public() } else { answer.body };
        Ok(Created { handle: None, public_key })
    }

    async fn import_key(&self, _: Call, _: ImportKey) -> Result<Created, Failure> {
        Err(only_requests())
    }

    async fn public_key(&self, _: Call, _: KeyRef) -> Result<Vec<u8>, Failure> {
        Err(only_requests())
    }

    async fn sign(&self, call: Call, request: Sign) -> Result<Vec<u8>, Failure> {
        let path = "/keys/{key}/sign";
        let body = match &request.input {
            Input::Digest(digest) => digest.bytes().to_vec(),
            Input::Message(message) => message.to_vec(),
        };
        match self.trick() {
            Trick::Forges => return Ok(vec![1; 64]),
            Trick::OtherKey => {
                return Ok(self.ask(&call, Method::Post, "/keys/other/sign", body).await?.body);
            }
            Trick::SignsTwice => {
                self.ask(&call, Method::Post, path, vec![7; 32]).await?;
            }
            Trick::CreatesAtSign => {
                self.ask(&call, Method::Post, "/keys", b"mine".to_vec()).await?;
            }
            Trick::None | Trick::OtherPublicKey | Trick::CreatesNothing | Trick::KeepsKeys => (),
        }

        let answer = self.ask(&call, Method::Post, path, body).await?;
        Ok(answer.body)
    }

    async fn destroy_key(&self, call: Call, _: KeyRef) -> Result<(), Failure> {
        if self.trick() == Trick::KeepsKeys {
            return Ok(());
        }
        self.ask(&call, Method::Delete, "/keys/{key}", Vec::new()).await.map(drop)
    }

    async fn health(&self, _: Call) -> Result<(), Failure> {
        Ok(())
    }
}
