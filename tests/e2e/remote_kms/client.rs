//! A client of contract `remote_kms`, as EUDIPLO's HTTP provider is one.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::harness::{Answer, Client};

/// Wallet software that keeps its keys elsewhere.
pub(crate) struct RemoteKms {
    /// What it speaks with.
    pub(crate) client: Client,
}

impl RemoteKms {
    /// Speaks with `client`, whose base is the contract's.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks for a new key.
    pub(crate) async fn ask_to_create(&self, kid: &str, alg: &str) -> Answer {
        self.client.post("/keys", json!({"kid": kid, "alg": alg}).to_string()).await
    }

    /// Creates a key; its public half.
    pub(crate) async fn create(&self, kid: &str, alg: &str) -> Value {
        public_jwk(&self.ask_to_create(kid, alg).await)
    }

    /// Asks for a signature of `message`.
    pub(crate) async fn ask_to_sign(&self, kid: &str, alg: &str, message: &[u8]) -> Answer {
        let body = json!({"data": BASE64_STANDARD.encode(message), "alg": alg}).to_string();
        self.client.post(&format!("/keys/{}/sign", encoded(kid)), body).await
    }

    /// Asks to take over a private key.
    pub(crate) async fn import(&self, kid: &str, private_jwk: &Value) -> Answer {
        let body = json!({"privateJwk": private_jwk, "alg": private_jwk["alg"]}).to_string();
        self.client.post(&format!("/keys/{}/import", encoded(kid)), body).await
    }

    /// Deletes a key.
    pub(crate) async fn delete(&self, kid: &str) -> Answer {
        self.client.call(Method::DELETE, &format!("/keys/{}", encoded(kid)), "").await
    }

    /// A JWS in compact form (RFC 7515, section 7.1), put together of what a signature was answered with.
    pub(crate) async fn jws(&self, kid: &str, alg: &str) -> String {
        let header = json!({"alg": alg, "kid": kid}).to_string();
        let payload = json!({"iss": "https://issuer.example", "sub": kid}).to_string();
        let input =
            format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(payload));
        let answer = self.ask_to_sign(kid, alg, input.as_bytes()).await;

        format!("{input}.{}", answer.expect(200).json()["signature"].as_str().expect("a signature"))
    }
}

/// The public half in an answer.
pub(crate) fn public_jwk(answer: &Answer) -> Value {
    answer.expect(200).json()["publicJwk"].clone()
}

/// A key id as one path segment.
pub(crate) fn encoded(kid: &str) -> String {
    utf8_percent_encode(kid, NON_ALPHANUMERIC).to_string()
}
