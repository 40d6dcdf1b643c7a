//! The gateway's contracts, as a load generator speaks them.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::client::{Answer, Target};
use crate::key::{KeyType, Proof, VerifyingKey};

/// One way to ask for signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contract {
    /// A digest; ECDSA in DER.
    Webhook,
    /// A message; ECDSA as r and s. P-256 only.
    RemoteKms,
    /// A digest, or for Ed25519 a message; ECDSA in DER.
    V1,
    /// The same, [`BATCH`] at a time.
    V1Batch,
}

impl Contract {
    /// The one that the gateway offers `key_type` in.
    pub(crate) fn of(key_type: KeyType) -> Self {
        match key_type {
            KeyType::P256 | KeyType::P384 | KeyType::Rsa2048 => Self::Webhook,
            KeyType::P521 | KeyType::Ed25519 => Self::V1,
        }
    }

    /// The bytes of a request for a new key.
    pub(crate) fn create(self, target: &Target, name: &str, key_type: KeyType) -> Vec<u8> {
        let (path, body) = match self {
            Self::Webhook => ("/webhook/keys", json!({ "key_id": name, "key_type": key_type.name() })),
            Self::RemoteKms => ("/remote-kms/keys", json!({ "kid": name, "alg": "ES256" })),
            Self::V1 | Self::V1Batch => ("/v1/keys", json!({ "name": name, "type": key_type.v1_name() })),
        };
        target.post(path, &body.to_string())
    }

    /// The key in the answer to that.
    pub(crate) fn created(
        self,
        answer: &Answer<'_>,
        key_type: KeyType,
        proof: Proof,
    ) -> Result<VerifyingKey> {
        ensure!(matches!(answer.status, 200 | 201), "a key was not created: {answer}");
        let created: Value = serde_json::from_slice(answer.body)?;
        let text = |pointer: &str| created.pointer(pointer).and_then(Value::as_str).context("no public key");

        match self {
            Self::Webhook => VerifyingKey::from_pem(key_type, proof, text("/public_key")?),
            Self::V1 | Self::V1Batch => VerifyingKey::from_pem(key_type, proof, text("/public_key/pem")?),
            Self::RemoteKms => {
                let coordinate = |pointer| Ok::<_, anyhow::Error>(URL_SAFE_NO_PAD.decode(text(pointer)?)?);
                let point = [vec![4], coordinate("/publicJwk/x")?, coordinate("/publicJwk/y")?].concat();
                Ok(VerifyingKey::from_point(key_type, Proof::Fixed, point))
            }
        }
    }

    /// The bytes of a request for a signature of `digest`.
    pub(crate) fn sign(self, target: &Target, name: &str, key_type: KeyType, digest: &[u8]) -> Vec<u8> {
        let digest = STANDARD.encode(digest);
        let input = match key_type {
            KeyType::Ed25519 => "message",
            KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Rsa2048 => "digest",
        };
        let (path, body) = match self {
            Self::Webhook => {
                let body = json!({ "digest": digest, "hash_algorithm": key_type.hash_name() });
                (format!("/webhook/keys/{name}/sign"), body)
            }
            Self::RemoteKms => {
                (format!("/remote-kms/keys/{name}/sign"), json!({ "data": digest, "alg": "ES256" }))
            }
            Self::V1 => {
                let body = json!({ input: digest, "scheme": key_type.scheme() });
                (format!("/v1/keys/{name}/sign"), body)
            }
            Self::V1Batch => {
                let item = json!({ "key": name, input: digest, "scheme": key_type.scheme() });
                ("/v1/sign".to_owned(), json!({ "items": vec![item; BATCH] }))
            }
        };
        target.post(&path, &body.to_string())
    }

    /// Whether an answer is what was asked for, as far as a glance tells.
    pub(crate) fn is_signature(self, answer: &Answer<'_>) -> bool {
        let beginning: &[u8] = match self {
            Self::Webhook | Self::RemoteKms | Self::V1 => b"{\"signature\":\"",
            Self::V1Batch => b"{\"results\":[{\"status\":200,\"signature\":\"",
        };
        answer.status == 200 && answer.body.starts_with(beginning)
    }

    /// The signatures in an answer: one, or of a batch every one.
    pub(crate) fn signatures(self, body: &[u8]) -> Result<Vec<Vec<u8>>> {
        let answer: Value = serde_json::from_slice(body)?;
        let signature = |answer: &Value| {
            let text = answer["signature"].as_str().context("no signature")?;
            Ok(match self {
                Self::RemoteKms => URL_SAFE_NO_PAD.decode(text)?,
                Self::Webhook | Self::V1 | Self::V1Batch => STANDARD.decode(text)?,
            })
        };

        match self {
            Self::Webhook | Self::RemoteKms | Self::V1 => Ok(vec![signature(&answer)?]),
            Self::V1Batch => {
                let results = answer["results"].as_array().context("no results")?;
                ensure!(results.len() == BATCH, "{} results", results.len());
                results.iter().map(signature).collect()
            }
        }
    }
}

/// Signatures in a batch: as many as the contract takes.
pub(crate) const BATCH: usize = 100;
