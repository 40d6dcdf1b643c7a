//! A client of contract `v1`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use serde_json::{Value, json};

use super::{Answer, Client, Gateway, Hash, digest_of, signature, token_of, verifies};

/// A program that has keys.
pub(crate) struct Api(pub(crate) Client);

impl Api {
    /// A tenant's program.
    pub(crate) fn of(gateway: &Gateway, tenant: &str) -> Self {
        Self(gateway.server.client().with_token(&token_of(tenant)).with_base("/v1"))
    }

    /// Another one that is just the same, with a connection of its own.
    pub(crate) fn another(&self) -> Self {
        Self(self.0.another())
    }

    /// Asks for a new key.
    pub(crate) async fn ask_to_create(&self, name: &str, key_type: &str) -> Answer {
        self.0.post("/keys", json!({ "name": name, "type": key_type }).to_string()).await
    }

    /// Creates a key.
    pub(crate) async fn create(&self, name: &str, key_type: &str) -> Value {
        self.ask_to_create(name, key_type).await.expect(201).json()
    }

    /// Asks for a pair that is there already to be taken up.
    pub(crate) async fn ask_to_register(&self, name: &str, object: &str) -> Answer {
        self.0.post(&format!("/keys/{name}/register"), json!({ "object": object }).to_string()).await
    }

    /// Takes up a pair that is there already.
    pub(crate) async fn register(&self, name: &str, object: &str) -> Value {
        self.ask_to_register(name, object).await.expect(201).json()
    }

    /// Asks for a signature of `message` in a scheme.
    pub(crate) async fn ask_to_sign_with(&self, name: &str, scheme: &str, message: &[u8]) -> Answer {
        let what = json!({ "message": BASE64_STANDARD.encode(message), "scheme": scheme });

        self.0.post(&format!("/keys/{name}/sign"), what.to_string()).await
    }

    /// Asks for the usual signature of a key of type `ec-p256`.
    pub(crate) async fn ask_to_sign(&self, name: &str) -> Answer {
        self.0.post(&format!("/keys/{name}/sign"), sign_body()).await
    }

    /// The same, in a request that is called `id`.
    pub(crate) async fn ask_to_sign_as(&self, name: &str, id: &str) -> Answer {
        let path = format!("/keys/{name}/sign");
        let answer = self.0.try_call(Method::POST, &path, sign_body(), Some(id)).await;

        answer.unwrap_or_else(|error| panic!("{id}: no answer: {error:#}"))
    }

    /// Has a key of type `ec-p256` sign, and checks what comes back.
    pub(crate) async fn sign(&self, key: &Value) {
        let answer = self.ask_to_sign(text(key, "name")).await;

        assert!(is_by(key, answer.expect(200)), "another key's signature");
        assert_eq!(answer.json()["key_id"], key["id"]);
    }

    /// Ends a key.
    pub(crate) async fn release(&self, name: &str) {
        self.0.post(&format!("/keys/{name}/release"), "{}").await.expect(204);
    }
}

/// A tenant whose released keys are destroyed at once, with one caller who may do everything and presents
/// [`token_of`] it.
pub(crate) fn tenant(name: &str, provider: &str) -> String {
    format!(
        "[[tenant]]\nname = \"{name}\"\nprovider = \"{provider}\"\ngrace = \"0s\"\n\n[[tenant.caller]]\nname = \"program\"\n\
         operator = true\ntokens = [\"sha256:{}\"]\n\n[[tenant.caller.right]]\nkeys = [\"*\"]\n\
         may = [\"create\", \"delete\", \"list\", \"register\", \"release\", \"restore\", \"sign\", \"verify\"]\n",
        digest_of(token_of(name).as_bytes())
    )
}

/// Whether this is the usual signature of `key`, as [`Api::ask_to_sign`] asks for it.
pub(crate) fn is_by(key: &Value, answer: &Answer) -> bool {
    verifies(pem(key), Hash::Sha256, MESSAGE, &signature(answer))
}

/// A key's public half.
pub(crate) fn pem(key: &Value) -> &str {
    key["public_key"]["pem"].as_str().expect("a public half")
}

/// A field that must be text.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn sign_body() -> String {
    json!({ "digest": Hash::Sha256.base64(MESSAGE) }).to_string()
}

const MESSAGE: &[u8] = b"hello";
