//! A client of contract `webhook`.

use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::client::{Answer, Client};
use super::verify::{Hash, verifies};

/// A trust domain server, as the gateway sees it.
pub(crate) struct Webhook {
    /// What it speaks with.
    pub(crate) client: Client,
}

/// A key that was created or listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Key {
    pub(crate) name: String,
    /// The public half in PEM.
    pub(crate) public: String,
    pub(crate) fingerprint: String,
}

impl Webhook {
    /// Speaks with `client`, whose base is the contract's.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Another one that is just the same, with a connection of its own.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.client.another())
    }

    /// Asks for a new key.
    pub(crate) async fn ask_to_create(&self, name: &str, key_type: &str) -> Answer {
        self.client.post("/keys", json!({"key_id": name, "key_type": key_type}).to_string()).await
    }

    /// Creates a key.
    pub(crate) async fn create(&self, name: &str, key_type: &str) -> Key {
        let answer = self.ask_to_create(name, key_type).await;
        answer.expect(201);

        key(name, &answer.json())
    }

    /// Every key there is.
    pub(crate) async fn list(&self) -> Vec<Key> {
        let answer = self.client.get("/keys").await;
        let listed = answer.expect(200).json();

        let keys = listed["keys"].as_array().expect("a list");
        keys.iter().map(|listed| key(listed["key_id"].as_str().expect("a name"), listed)).collect()
    }

    /// The key of a name, if it is listed.
    pub(crate) async fn listed(&self, name: &str) -> Option<Key> {
        let mut keys = self.list().await;
        keys.retain(|key| key.name == name);
        assert!(keys.len() <= 1, "{name} is listed twice");
        keys.pop()
    }

    /// Asks for a signature of `message`.
    pub(crate) async fn ask_to_sign(&self, name: &str, hash: Hash, message: &[u8]) -> Answer {
        self.client.post(&sign_path(name), sign_body(hash, message)).await
    }

    /// The same, named `request_id`; there may be no answer.
    pub(crate) async fn try_sign(&self, name: &str, message: &[u8], request_id: &str) -> Result<Answer> {
        let body = sign_body(Hash::Sha256, message);
        self.client.try_call(Method::POST, &sign_path(name), body, Some(request_id)).await
    }

    /// Signs `message` and checks the signature and the fingerprint that comes with it.
    pub(crate) async fn sign(&self, key: &Key, hash: Hash, message: &[u8]) -> Vec<u8> {
        let answer = self.ask_to_sign(&key.name, hash, message).await;
        answer.expect(200);

        assert_eq!(answer.json()["key_fingerprint"], key.fingerprint.as_str(), "{}", key.name);
        let signature = signature(&answer);
        assert!(verifies(&key.public, hash, message, &signature), "{}: not a {hash} signature", key.name);
        signature
    }

    /// Asks to release a key.
    pub(crate) async fn release(&self, name: &str) -> Answer {
        self.client.post(&format!("/keys/{}/release", encoded(name)), "").await
    }
}

/// The signature in an answer.
pub(crate) fn signature(answer: &Answer) -> Vec<u8> {
    let answer = answer.json();
    let signature = answer["signature"].as_str().expect("a signature");

    BASE64_STANDARD.decode(signature).expect("base64 with padding")
}

fn key(name: &str, answer: &serde_json::Value) -> Key {
    let text =
        |field: &str| answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned();

    Key { name: name.to_owned(), public: text("public_key"), fingerprint: text("fingerprint") }
}

fn sign_path(name: &str) -> String {
    format!("/keys/{}/sign", encoded(name))
}

fn sign_body(hash: Hash, message: &[u8]) -> String {
    json!({"digest": hash.base64(message), "hash_algorithm": hash.to_string()}).to_string()
}

/// A name as one path segment.
fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
