//! A little server of `remote_kms` that is none of ours: it hashes by itself, and tells what it is made to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What it answers to creates and signatures.
#[derive(Clone, Debug)]
pub(super) enum Lie {
    /// The truth.
    None,
    /// This status, with these header fields and this body.
    Answer(u16, &'static [(&'static str, &'static str)], String),
    /// The credential that it was shown.
    Echo,
    /// Nothing, and hangs up.
    HangUp,
    /// Nothing, for ever.
    Hold,
    /// The public half of another key, or nothing wrong.
    OtherHalf,
    /// A signature by another key.
    OtherKey,
    /// A signature of another message.
    OtherMessage,
    /// The private half, beside the public one.
    PrivateHalf,
    /// A signature in DER.
    Der,
}

/// The server; it ends when this is dropped.
pub(super) struct Liar {
    pub(super) url: String,
    told: Arc<Told>,
    serving: JoinHandle<()>,
}

struct Told {
    lie: Mutex<Lie>,
    keys: Mutex<HashMap<String, EcdsaKeyPair>>,
    asked: Mutex<Vec<String>>,
}

impl Liar {
    /// Starts one that tells the truth.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (keys, asked) = (Mutex::default(), Mutex::default());
        let told = Arc::new(Told { lie: Mutex::new(Lie::None), keys, asked });

        let serving = tokio::spawn(serve(listener, Arc::clone(&told)));
        Self { url, told, serving }
    }

    /// Makes it lie so from now on.
    pub(super) fn tell(&self, lie: Lie) {
        *self.told.lie.lock().unwrap() = lie;
    }

    /// What its keys are called.
    pub(super) fn keys(&self) -> Vec<String> {
        self.told.keys.lock().unwrap().keys().cloned().collect()
    }

    /// The requests so far, each as its method and path.
    pub(super) fn asked(&self) -> Vec<String> {
        self.told.asked.lock().unwrap().clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, told: Arc<Told>) {
    while let Ok((stream, _)) = listener.accept().await {
        let told = Arc::clone(&told);
        let service = service_fn(move |request| respond(request, Arc::clone(&told)));
        // Whoever hangs up does so.
        tokio::spawn(async move {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// Why there is no answer: hyper closes the connection then.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

async fn respond(request: Request<Incoming>, told: Arc<Told>) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (head, body) = request.into_parts();
    told.asked.lock().unwrap().push(format!("{} {}", head.method, head.uri.path()));
    let shown = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let truth = told.serve(&head.method, head.uri.path(), &body);
    if head.method != Method::POST {
        return Ok(answer(truth.0, &[], truth.1.to_string()));
    }

    let lie = told.lie.lock().unwrap().clone();
    match lie {
        Lie::HangUp => Err(NoAnswer),
        Lie::Hold => std::future::pending().await,
        Lie::Answer(status, headers, body) => Ok(answer(status, headers, body)),
        Lie::Echo => Ok(answer(200, &[], json!({"signature": shown, "publicJwk": shown}).to_string())),
        Lie::None | Lie::OtherHalf | Lie::OtherKey | Lie::OtherMessage | Lie::PrivateHalf | Lie::Der => {
            Ok(answer(truth.0, &[], truth.1.to_string()))
        }
    }
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: String) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }

    response.body(Full::new(body.into())).expect("a response")
}

impl Told {
    /// The contract, with what is wrong with keys and signatures.
    fn serve(&self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        let lie = self.lie.lock().unwrap().clone();
        let mut keys = self.keys.lock().unwrap();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let segments: Vec<_> = path.split('/').skip(1).collect();

        match (method, segments.as_slice()) {
            (&Method::GET, ["health"]) => (200, json!({"ok": true})),
            (&Method::POST, ["keys"]) if body["alg"] == "ES256" => {
                let (kid, own) = (body["kid"].as_str().unwrap().to_owned(), pair());
                let mut jwk = if matches!(lie, Lie::OtherHalf) { jwk(&pair()) } else { jwk(&own) };
                if matches!(lie, Lie::PrivateHalf) {
                    jwk["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
                }
                keys.insert(kid, own);
                (200, json!({"publicJwk": jwk}))
            }
            (&Method::POST, ["keys", kid, "sign"]) => {
                let message = BASE64_STANDARD.decode(body["data"].as_str().unwrap()).unwrap();
                match keys.get(*kid) {
                    Some(own) => (200, json!({"signature": signed(own, &message, &lie)})),
                    None => (404, json!({"error": "Key not found"})),
                }
            }
            (&Method::DELETE, ["keys", kid]) => {
                keys.remove(*kid);
                (204, Value::Null)
            }
            _ => (400, json!({"error": "Unsupported algorithm"})),
        }
    }
}

fn signed(own: &EcdsaKeyPair, message: &[u8], lie: &Lie) -> String {
    let other = pair();
    let key = if matches!(lie, Lie::OtherKey) { &other } else { own };
    let message = if matches!(lie, Lie::OtherMessage) { b"another message" } else { message };
    let signature = key.sign(&SystemRandom::new(), message).expect("a signature");
    let bytes = if matches!(lie, Lie::Der) { der(signature.as_ref()) } else { signature.as_ref().to_vec() };

    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// ECDSA-Sig-Value of r and s.
fn der(fixed: &[u8]) -> Vec<u8> {
    let signature =
        keyport_core::signature::Signature::new(keyport_core::scheme::KeyType::EcP256, fixed.to_vec());

    signature.expect("r and s").der().expect("DER")
}

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key pair")
}

fn jwk(pair: &EcdsaKeyPair) -> Value {
    let point = pair.public_key().as_ref();

    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
        "y": BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
    })
}
