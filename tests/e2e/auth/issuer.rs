//! A cluster that issues tokens, and an API server over HTTPS that says with which keys.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::harness::Authority;

/// A cluster. Its API server runs until it is dropped.
pub(super) struct Cluster {
    key: EncodingKey,
    public: Value,
    asked: Arc<Mutex<Vec<String>>>,
    /// Where the API server is.
    pub(super) url: String,
    _serving: JoinSet<()>,
}

impl Cluster {
    /// One whose API server has a certificate of `authority`, and answers only who presents [`API_TOKEN`].
    pub(super) async fn new(authority: &Authority) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let digits = |range: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(range);
        let point = pair.public_key().as_ref();
        let public = json!({
            "kty": "EC", "crv": "P-256", "kid": "of-the-cluster", "use": "sig", "alg": "ES256",
            "x": digits(&point[1..33]), "y": digits(&point[33..]),
        });

        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", socket.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let answers = Answers { public: public.clone(), asked: Arc::clone(&asked) };
        let mut serving = JoinSet::new();
        serving.spawn(answers.serve(socket, acceptor(authority)));
        Self { key: EncodingKey::from_ec_der(pkcs8.as_ref()), public, asked, url, _serving: serving }
    }

    /// Its keys, as they are published.
    pub(super) fn keys(&self) -> String {
        json!({ "keys": [self.public] }).to_string()
    }

    /// The public half of its key, as JSON.
    pub(super) fn public(&self) -> String {
        self.public.to_string()
    }

    /// The token of a service account, with some claims changed.
    pub(super) fn token(&self, changed: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("of-the-cluster".to_owned());

        encode(&header, &claims(changed), &self.key).unwrap()
    }

    /// The first lines of what the API server was asked.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// What the token of a service account says, with some claims changed.
pub(super) fn claims(changed: &Value) -> Value {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut claims = json!({
        "iss": ISSUER, "aud": ["keyport"], "sub": SUBJECT, "iat": now, "nbf": now, "exp": now + 600,
        "kubernetes.io": { "namespace": "spire", "serviceaccount": { "name": "server" } },
    });
    for (name, value) in changed.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims
}

#[derive(Clone)]
struct Answers {
    public: Value,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    async fn serve(self, socket: TcpListener, tls: TlsAcceptor) {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = socket.accept().await {
            let (answers, tls) = (self.clone(), tls.clone());
            open.spawn(async move { answers.answer(stream, tls).await });
        }
    }

    async fn answer(&self, stream: TcpStream, tls: TlsAcceptor) {
        let Ok(mut stream) = tls.accept(stream).await else { return };
        let mut head = vec![0; 8192];
        let length = stream.read(&mut head).await.unwrap_or_default();
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        let line = head.lines().next().unwrap_or_default().to_owned();

        let body = match line.split(' ').nth(1) {
            Some("/.well-known/openid-configuration") => {
                json!({ "issuer": ISSUER, "jwks_uri": "https://203.0.113.1/openid/v1/jwks" }).to_string()
            }
            Some("/openid/v1/jwks") => json!({ "keys": [self.public] }).to_string(),
            _ => String::new(),
        };
        self.asked.lock().unwrap().push(line);
        let status = if head.contains(API_TOKEN) { "200 OK" } else { "403 Forbidden" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        drop(stream.write_all(answer.as_bytes()).await);
        drop(stream.shutdown().await);
    }
}

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let (certificate, key) = authority.server();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();

    Arc::new(config).into()
}

/// What the API server wants to see.
pub(super) const API_TOKEN: &str = "the-token-of-the-gateway";
pub(super) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const SUBJECT: &str = "system:serviceaccount:spire:server";
