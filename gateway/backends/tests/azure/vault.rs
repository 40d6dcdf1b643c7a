//! A server that answers as a vault and Microsoft Entra are documented to. That it answers as Microsoft's own clients expect is
//! tested in `vendor.rs`.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::peer::{Answer, Asked, Record, Service, start};

/// The stand-in, with what it was asked.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
}

/// What it knows.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) record: Record,
    /// Names of keys, with their versions in order.
    pub(crate) keys: Mutex<BTreeMap<String, Vec<Key>>>,
    /// Deleted, and not purged yet.
    pub(crate) deleted: Mutex<HashSet<String>>,
    /// Whether nobody may do anything.
    pub(crate) forbids: Mutex<bool>,
    given: Mutex<HashSet<String>>,
    address: OnceLock<SocketAddr>,
}

/// A version of a key.
pub(crate) struct Key {
    pub(crate) version: String,
    pub(crate) described: Value,
    pub(crate) enabled: bool,
    pair: Pair,
}

enum Pair {
    Ec(&'static str, EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl StandIn {
    /// Starts one on this machine.
    pub(crate) async fn start() -> Self {
        let state = Arc::<State>::default();
        let address = start(&state).await;
        state.address.set(address).unwrap();

        Self { address, state }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many versions there are of the keys that are not deleted.
    pub(crate) fn versions(&self) -> Vec<usize> {
        self.state.keys.lock().unwrap().values().map(Vec::len).collect()
    }
}

impl Service for State {
    fn record(&self) -> &Record {
        &self.record
    }

    fn challenge(&self) -> String {
        "Bearer authorization=\"https://login.microsoftonline.com/directory\", resource=\"https://vault.azure.net\""
            .to_owned()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if asked.path.ends_with("/token") {
            return self.token(asked);
        }
        let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        if !self.given.lock().unwrap().contains(token) {
            return Err(refusal(
                401,
                "Unauthorized",
                "AKV10000: Request is missing a Bearer or PoP token.",
                "",
            ));
        }
        if *self.forbids.lock().unwrap() {
            return Err(refusal(
                403,
                "Forbidden",
                "Caller is not authorized to perform action.",
                "ForbiddenByRbac",
            ));
        }
        if asked.parameter("api-version").is_empty() {
            return Err(refusal(400, "BadParameter", "api-version must be specified", ""));
        }

        let words: Vec<_> = asked.path.trim_start_matches("/keys/").split('/').collect();
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", [name, "create"]) => self.create(name, &body),
            ("GET", [name]) => self.get(name, ""),
            ("GET", [name, version]) => self.get(name, version),
            ("POST", [name, version, "sign"]) => self.sign(name, version, &body),
            ("DELETE", [name]) => self.delete(name),
            _ => Err(refusal(400, "BadParameter", "no such operation", "")),
        }
    }
}

impl State {
    /// From now on no token that was given out is taken.
    pub(crate) fn revoke(&self) {
        self.given.lock().unwrap().clear();
    }

    fn token(&self, asked: &Asked) -> Answer {
        let is_right = match asked.path.as_str() {
            "/metadata/identity/oauth2/token" => {
                asked.parameter("resource") == "https://vault.azure.net" && asked.header("metadata") == "true"
            }
            "/directory/oauth2/v2.0/token" => {
                let assertion = asked.form("client_assertion_type").ends_with(":jwt-bearer");
                asked.form("grant_type") == "client_credentials"
                    && asked.form("client_id") == "application"
                    && asked.form("scope") == "https://vault.azure.net/.default"
                    && (asked.form("client_secret") == "s3cr3t"
                        || assertion && asked.form("client_assertion") == "f3derated")
            }
            _ => false,
        };
        if !is_right {
            let description = "AADSTS7000215: Invalid client secret provided: s3cr3t.";
            return Err((401, json!({ "error": "invalid_client", "error_description": description })));
        }

        let mut given = self.given.lock().unwrap();
        let token = format!("eyJ0.{}", given.len());
        given.insert(token.clone());
        Ok(
            json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token }),
        )
    }

    fn create(&self, name: &str, body: &Value) -> Answer {
        if self.deleted.lock().unwrap().contains(name) {
            let message = format!("Key {name} is currently in a deleted but recoverable state.");
            return Err(refusal(409, "Conflict", &message, "ObjectIsDeletedButRecoverable"));
        }
        let key = Key::new(body).ok_or_else(|| refusal(400, "BadParameter", "no such type of key", ""))?;
        let mut keys = self.keys.lock().unwrap();
        let versions = keys.entry(name.to_owned()).or_default();
        versions.push(key);

        Ok(self.bundle(name, versions.last().unwrap()))
    }

    fn get(&self, name: &str, version: &str) -> Answer {
        self.with(name, version, |key| Ok(self.bundle(name, key)))
    }

    fn sign(&self, name: &str, version: &str, body: &Value) -> Answer {
        self.with(name, version, |key| {
            if !key.enabled {
                return Err(refusal(
                    403,
                    "Forbidden",
                    "Operation sign is not allowed on a disabled key.",
                    "KeyDisabled",
                ));
            }
            let digest = URL_SAFE_NO_PAD.decode(body["value"].as_str().unwrap_or_default());
            let signature = key.sign(body["alg"].as_str().unwrap_or_default(), &digest.unwrap_or_default());
            let signature =
                signature.ok_or_else(|| refusal(400, "BadParameter", "the digest does not fit", ""))?;
            let kid = self.kid(name, &key.version);
            Ok(json!({ "kid": kid, "value": URL_SAFE_NO_PAD.encode(signature) }))
        })
    }

    fn delete(&self, name: &str) -> Answer {
        let Some(versions) = self.keys.lock().unwrap().remove(name) else { return Err(missing(name)) };
        self.deleted.lock().unwrap().insert(name.to_owned());

        let mut bundle = self.bundle(name, versions.last().unwrap());
        bundle["recoveryId"] = format!("http://{}/deletedkeys/{name}", self.address.get().unwrap()).into();
        bundle["deletedDate"] = json!(1_700_000_000);
        bundle["scheduledPurgeDate"] = json!(1_707_776_000);
        Ok(bundle)
    }

    fn with(&self, name: &str, version: &str, answer: impl FnOnce(&Key) -> Answer) -> Answer {
        let keys = self.keys.lock().unwrap();
        let versions = keys.get(name).ok_or_else(|| missing(name))?;
        let key = match version {
            "" => versions.last(),
            _ => versions.iter().find(|key| key.version == version),
        };

        answer(key.ok_or_else(|| missing(name))?)
    }

    fn kid(&self, name: &str, version: &str) -> String {
        format!("http://{}/keys/{name}/{version}", self.address.get().unwrap())
    }

    fn bundle(&self, name: &str, key: &Key) -> Value {
        let mut jwk = key.jwk();
        jwk["kid"] = self.kid(name, &key.version).into();
        jwk["kty"] = key.described["kty"].clone();
        jwk["key_ops"] = key.described["key_ops"].clone();

        json!({
            "key": jwk,
            "attributes": { "enabled": key.enabled, "created": 1_700_000_000, "updated": 1_700_000_000,
                            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90 },
            "tags": key.described["tags"],
        })
    }
}

impl Key {
    fn new(described: &Value) -> Option<Self> {
        let kind = described["kty"].as_str()?.trim_end_matches("-HSM");
        let size = described["key_size"].as_u64();
        let ec = |name, algorithm| Some(Pair::Ec(name, EcdsaKeyPair::generate(algorithm).unwrap()));
        let pair = match (kind, described["crv"].as_str(), size) {
            ("EC", Some("P-256"), _) => ec("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("EC", Some("P-384"), _) => ec("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            ("EC", Some("P-521"), _) => ec("P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
            ("EC", Some("P-256K"), _) => ec("P-256K", &ECDSA_P256K1_SHA256_FIXED_SIGNING),
            ("RSA", _, Some(2048)) => RsaKeyPair::generate(KeySize::Rsa2048).ok().map(Pair::Rsa),
            ("RSA", _, Some(3072)) => RsaKeyPair::generate(KeySize::Rsa3072).ok().map(Pair::Rsa),
            ("RSA", _, Some(4096)) => RsaKeyPair::generate(KeySize::Rsa4096).ok().map(Pair::Rsa),
            _ => None,
        };
        let mut version = [0; 16];
        aws_lc_rs::rand::fill(&mut version).unwrap();

        Some(Self { version: hex::encode(version), described: described.clone(), enabled: true, pair: pair? })
    }

    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "crv": curve, "x": text(x), "y": text(y) })
            }
            Pair::Rsa(pair) => {
                // RSAPublicKey (RFC 8017, appendix A.1.1): nine bytes stand before the modulus of 256 bytes or more.
                let modulus = &pair.public_key().as_ref()[9..9 + pair.public_modulus_len()];
                json!({ "n": text(modulus), "e": "AQAB" })
            }
        }
    }

    fn sign(&self, algorithm: &str, digest: &[u8]) -> Option<Vec<u8>> {
        let hash = hash(algorithm)?;
        let imported = Digest::import_less_safe(digest, hash).ok()?;
        match &self.pair {
            Pair::Ec(curve, pair) => {
                let fits = [("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521"), ("ES256K", "P-256K")];
                let fits = fits.contains(&(algorithm, curve));
                fits.then(|| pair.sign_digest(&imported).unwrap().as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding(algorithm)?, &imported, &mut signature).unwrap();
                Some(signature)
            }
        }
    }
}

fn hash(algorithm: &str) -> Option<&'static Algorithm> {
    match algorithm {
        "ES256" | "ES256K" | "RS256" | "PS256" => Some(&SHA256),
        "ES384" | "RS384" | "PS384" => Some(&SHA384),
        "ES512" | "RS512" | "PS512" => Some(&SHA512),
        _ => None,
    }
}

fn encoding(algorithm: &str) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        "RS256" => Some(&RSA_PKCS1_SHA256),
        "RS384" => Some(&RSA_PKCS1_SHA384),
        "RS512" => Some(&RSA_PKCS1_SHA512),
        "PS256" => Some(&RSA_PSS_SHA256),
        "PS384" => Some(&RSA_PSS_SHA384),
        "PS512" => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}

fn missing(name: &str) -> (u16, Value) {
    let message = format!("A key with (name/id) {name} was not found in this key vault.");

    refusal(404, "KeyNotFound", &message, "")
}

fn refusal(status: u16, code: &str, message: &str, inner: &str) -> (u16, Value) {
    let mut error = json!({ "code": code, "message": message });
    if !inner.is_empty() {
        error["innererror"] = json!({ "code": inner });
    }

    (status, json!({ "error": error }))
}
