//! Credentials for tests: issuers that sign, servers that publish keys, requests that present something.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::Request;
use jsonwebtoken::{EncodingKey, Header, encode};
use keyport_core::caller::Caller;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::{Algorithm, Authenticator, Denial, Issuer, KeySource, Remote};
use crate::outside::outside;
use crate::peer::Peer;
use crate::request::Head;

/// Somebody who signs tokens with ES256.
pub(super) struct Signer {
    pub(super) id: &'static str,
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl Signer {
    pub(super) fn new(id: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();

        Self { id, pkcs8: pkcs8.as_ref().to_vec(), public: pair.public_key().as_ref().to_vec() }
    }

    /// The public half, as a point.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    pub(super) fn jwk(&self) -> Value {
        let digits = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);

        json!({
            "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256",
            "x": digits(&self.public[1..33]), "y": digits(&self.public[33..]),
        })
    }

    /// A token that says `claims`.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.id), claims)
    }

    /// A token that says it was signed with key `id`.
    pub(super) fn sign_as(&self, id: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = id.map(str::to_owned);

        encode(&header, claims, &EncodingKey::from_ec_der(&self.pkcs8)).unwrap()
    }
}

/// Claims that [`issuer`] could make, of a workload that is a caller.
pub(super) fn claims() -> Value {
    let now = outside(Handle::current()).clock.wall().0 / 1000;

    json!({
        "iss": ISSUER, "aud": ["keyport"], "sub": SUBJECT, "exp": now + 600, "nbf": now, "iat": now,
        "kubernetes.io": { "namespace": "spire" },
    })
}

/// The same, one of them changed.
pub(super) fn claims_with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

/// A set of the keys of `signers`.
pub(super) fn key_set(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// An issuer whose keys are at `keys`.
pub(super) fn issuer(keys: KeySource) -> Issuer {
    Issuer {
        name: "cluster".to_owned(),
        issuer: Some(ISSUER.to_owned()),
        audiences: vec!["keyport".to_owned()],
        algorithms: vec![Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA],
        keys,
        leeway: Duration::from_secs(30),
        refresh: Duration::from_secs(300),
        pause: PAUSE,
        stale: Duration::from_secs(3600),
    }
}

/// A server that answers every request in one way, over plain HTTP on this machine.
pub(super) struct Server {
    answer: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
    url: String,
    _serving: JoinSet<()>,
}

impl Server {
    /// One that answers `document`.
    pub(super) async fn new(document: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", socket.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new(None)), Arc::<AtomicUsize>::default());
        let mut serving = JoinSet::new();
        let (said, count) = (Arc::clone(&answer), Arc::clone(&asked));
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = socket.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(converse(stream, said.lock().unwrap().clone()));
            }
        });

        let server = Self { answer, asked, url, _serving: serving };
        server.publish(document);
        server
    }

    /// Answers `document` from now on.
    pub(super) fn publish(&self, document: &str) {
        let length = document.len();
        self.say(Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{document}")));
    }

    /// Answers these very bytes from now on; `None` is silence.
    pub(super) fn say(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Where it is.
    pub(super) fn remote(&self) -> Remote {
        Remote { location: self.url.parse().unwrap(), ca: None, token: None, timeout: TIMEOUT }
    }
}

async fn converse(mut stream: TcpStream, answer: Option<String>) {
    let mut head = [0; 4096];
    let read = stream.read(&mut head).await.unwrap_or_default();
    match answer {
        Some(answer) if read > 0 => drop(stream.write_all(answer.as_bytes()).await),
        Some(_) => {}
        None => std::future::pending().await,
    }
}

/// A caller of tenant `acme`.
pub(super) fn caller(name: &str) -> Arc<Caller> {
    Arc::new(Caller { tenant: "acme".parse().unwrap(), name: name.parse().unwrap(), rights: Arc::new([]) })
}

/// Whom `authenticator` takes somebody for who sends these headers from `peer`.
pub(super) async fn who(
    authenticator: &Authenticator,
    headers: &[(&str, &str)],
    peer: Peer,
) -> Result<String, Denial> {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    parts.extensions.insert(Arc::new(peer));
    let deadline = authenticator.outside.clock.now() + Duration::from_secs(10);

    let head = Head::new("a-request".parse().unwrap(), deadline, parts, 0);
    authenticator.authenticate(&head).await.map(|caller| caller.name.to_string())
}

/// Short ones: what goes over a socket cannot be waited for with a clock that stands still.
pub(super) const PAUSE: Duration = Duration::from_millis(700);
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
pub(super) const ISSUER: &str = "https://issuer.test";
pub(super) const SUBJECT: &str = "system:serviceaccount:spire:server";
