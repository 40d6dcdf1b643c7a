//! Azure Key Vault and Microsoft Entra, as far as they are documented and a gateway calls them, on one address of this machine.

mod key;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::Instant;

pub use key::Key;

use crate::{Answer, Asked, Service};

/// A vault on an address.
pub type StandIn = crate::StandIn<Vault>;

/// A vault, and who may use it.
#[derive(Debug)]
pub struct Vault {
    /// Names of keys, with their versions in order.
    pub keys: Mutex<BTreeMap<String, Vec<Key>>>,
    /// Deleted, and not purged yet.
    pub deleted: Mutex<BTreeMap<String, Vec<Key>>>,
    /// How often a key that is recovered is looked for until it is there.
    pub slowness: Mutex<u32>,
    /// On their way back, with how often they are still looked for.
    returning: Mutex<BTreeMap<String, (u32, Vec<Key>)>>,
    /// Whether nobody may do anything.
    pub forbids: Mutex<bool>,
    /// What becomes of assertions, where the application has other ones than its federated token.
    pub asserts: OnceLock<Asserts>,
    given: Mutex<HashSet<String>>,
    began: Instant,
    address: SocketAddr,
}

/// Says of an assertion why it is not the application's, in Entra's words.
pub type Check = dyn Fn(&str) -> Result<(), &'static str> + Send + Sync;

/// What becomes of assertions.
pub struct Asserts(pub Box<Check>);

impl fmt::Debug for Asserts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asserts")
    }
}

impl StandIn {
    /// One without keys.
    #[must_use]
    pub fn start() -> Self {
        Self::of(|address| Vault {
            keys: Mutex::default(),
            deleted: Mutex::default(),
            slowness: Mutex::default(),
            returning: Mutex::default(),
            forbids: Mutex::default(),
            asserts: OnceLock::new(),
            given: Mutex::default(),
            began: Instant::now(),
            address,
        })
    }
}

impl Service for Vault {
    async fn answer(&self, asked: &Asked) -> Answer {
        let answer = Answer::from(self.answered(asked));

        if answer.status == 401 { answer.with("www-authenticate", CHALLENGE) } else { answer }
    }
}

impl Vault {
    /// How many versions there are of the keys that are not deleted.
    pub fn versions(&self) -> Vec<usize> {
        self.keys.lock().unwrap().values().map(Vec::len).collect()
    }

    /// Puts a key there that no gateway made; what it is called.
    pub fn add(&self, name: &str, key: Key) -> String {
        let kid = self.kid(name, &key.version);
        self.keys.lock().unwrap().entry(name.to_owned()).or_default().push(key);

        kid
    }

    /// Takes over the keys of another vault, as backups of them are restored: with every version, and what it is called and
    /// tagged as.
    pub fn restore_backups(&self, other: &Self) {
        let backups = other.keys.lock().unwrap().clone();

        self.keys.lock().unwrap().extend(backups);
    }

    /// From now on no token that was given out is taken.
    pub fn revoke(&self) {
        self.given.lock().unwrap().clear();
    }

    /// From now on this token is taken, too, which somebody else gave out.
    pub fn admit(&self, token: &str) {
        self.given.lock().unwrap().insert(token.to_owned());
    }

    fn answered(&self, asked: &Asked) -> Outcome {
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

        let words: Vec<_> =
            asked.path.trim_start_matches("/keys/").trim_start_matches('/').split('/').collect();
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", [name, "create"]) => self.create(name, &body),
            ("GET", ["deletedkeys", name]) => self.deleted(name),
            ("POST", ["deletedkeys", name, "recover"]) => self.recover(name),
            ("GET", [name]) => self.get(name, ""),
            ("GET", [name, "versions"]) => Ok(self.page(name, &asked.parameter("$skiptoken"))),
            ("GET", [name, version]) => self.get(name, version),
            ("POST", [name, version, "sign"]) => self.sign(name, version, &body),
            ("DELETE", [name]) => self.delete(name),
            _ => Err(refusal(400, "BadParameter", "no such operation", "")),
        }
    }

    fn token(&self, asked: &Asked) -> Outcome {
        let proven = match asked.path.as_str() {
            "/metadata/identity/oauth2/token" => {
                let is_right = asked.parameter("resource") == "https://vault.azure.net"
                    && asked.header("metadata") == "true";
                if is_right { Ok(()) } else { Err("the request is no metadata service's") }
            }
            path if path == format!("/{DIRECTORY}/oauth2/v2.0/token") => self.proven(asked),
            _ => Err("AADSTS90002: Tenant not found."),
        };
        if let Err(description) = proven {
            return Err((401, json!({ "error": "invalid_client", "error_description": description })));
        }

        let mut given = self.given.lock().unwrap();
        let token = format!("eyJ0eXAiOiJKV1Qi.{}", given.len());
        given.insert(token.clone());
        Ok(
            json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token }),
        )
    }

    /// Whether the application asks, and proves it.
    fn proven(&self, asked: &Asked) -> Result<(), &'static str> {
        let asserts = asked.form("client_assertion_type").ends_with(":jwt-bearer");
        let is_its = asked.form("grant_type") == "client_credentials"
            && asked.form("client_id") == APPLICATION
            && asked.form("scope") == "https://vault.azure.net/.default";

        match (is_its, asserts, self.asserts.get()) {
            (false, _, _) => Err("AADSTS700016: Application was not found in the directory."),
            (true, true, Some(Asserts(check))) => check(&asked.form("client_assertion")),
            (true, true, None) if asked.form("client_assertion") == "f3derated" => Ok(()),
            (true, true, None) => Err("AADSTS70021: No matching federated identity record found."),
            (true, false, _) if asked.form("client_secret") == SECRET => Ok(()),
            (true, false, _) => Err("AADSTS7000215: Invalid client secret provided: s3cr3t."),
        }
    }

    fn create(&self, name: &str, body: &Value) -> Outcome {
        if self.deleted.lock().unwrap().contains_key(name) {
            let message = format!("Key {name} is currently in a deleted but recoverable state.");
            return Err(refusal(409, "Conflict", &message, "ObjectIsDeletedButRecoverable"));
        }
        let mut key =
            Key::new(body).ok_or_else(|| refusal(400, "BadParameter", "no such type of key", ""))?;
        let age = self.began.elapsed();
        key.created = 1_700_000_000 + age.as_secs();
        let mut keys = self.keys.lock().unwrap();
        let versions = keys.entry(name.to_owned()).or_default();
        versions.push(key);

        Ok(self.bundle(name, versions.last().unwrap()))
    }

    fn get(&self, name: &str, version: &str) -> Outcome {
        self.looked_for(name);
        self.with(name, version, |key| Ok(self.bundle(name, key)))
    }

    /// A page of a key's versions, the latest first.
    fn page(&self, name: &str, from: &str) -> Value {
        let (keys, from) = (self.keys.lock().unwrap(), from.parse().unwrap_or(0));
        let versions = keys.get(name).map(Vec::as_slice).unwrap_or_default();
        let bundles = versions.iter().rev().skip(from).take(25).map(|key| self.bundle(name, key));
        let page: Vec<_> = bundles
            .map(|it| json!({ "kid": it["key"]["kid"], "attributes": it["attributes"], "tags": it["tags"] }))
            .collect();
        let rest = self.kid(name, &format!("versions?api-version=7.4&$skiptoken={}", from + page.len()));

        json!({ "nextLink": (from + page.len() < versions.len()).then_some(rest), "value": page })
    }

    fn sign(&self, name: &str, version: &str, body: &Value) -> Outcome {
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

    fn delete(&self, name: &str) -> Outcome {
        let Some(versions) = self.keys.lock().unwrap().remove(name) else { return Err(missing(name)) };
        self.deleted.lock().unwrap().insert(name.to_owned(), versions);

        self.deleted(name)
    }

    fn deleted(&self, name: &str) -> Outcome {
        let deleted = self.deleted.lock().unwrap();
        let versions = deleted.get(name).ok_or_else(|| missing(name))?;

        let mut bundle = self.bundle(name, versions.last().unwrap());
        bundle["recoveryId"] = format!("http://{}/deletedkeys/{name}", self.address).into();
        bundle["deletedDate"] = json!(1_700_000_000);
        bundle["scheduledPurgeDate"] = json!(PURGE_DATE);
        Ok(bundle)
    }

    /// Recovering goes on after the answer.
    fn recover(&self, name: &str) -> Outcome {
        if self.returning.lock().unwrap().contains_key(name) {
            let message = format!("Key {name} is currently being recovered; retry later.");
            return Err(refusal(409, "Conflict", &message, "ObjectIsBeingRecovered"));
        }
        let Some(versions) = self.deleted.lock().unwrap().remove(name) else { return Err(missing(name)) };

        let bundle = self.bundle(name, versions.last().unwrap());
        let looks = *self.slowness.lock().unwrap();
        self.returning.lock().unwrap().insert(name.to_owned(), (looks, versions));
        Ok(bundle)
    }

    /// A step towards being back.
    fn looked_for(&self, name: &str) {
        let mut returning = self.returning.lock().unwrap();
        let is_back = returning.get_mut(name).is_some_and(|(looks, _)| {
            let is_back = *looks == 0;
            *looks = looks.saturating_sub(1);
            is_back
        });
        if let Some((_, versions)) = is_back.then(|| returning.remove(name)).flatten() {
            self.keys.lock().unwrap().insert(name.to_owned(), versions);
        }
    }

    fn with(&self, name: &str, version: &str, answer: impl FnOnce(&Key) -> Outcome) -> Outcome {
        let keys = self.keys.lock().unwrap();
        let versions = keys.get(name).ok_or_else(|| missing(name))?;
        let key = match version {
            "" => versions.last(),
            _ => versions.iter().find(|key| key.version == version),
        };

        answer(key.ok_or_else(|| missing(name))?)
    }

    fn kid(&self, name: &str, version: &str) -> String {
        format!("http://{}/keys/{name}/{version}", self.address)
    }

    fn bundle(&self, name: &str, key: &Key) -> Value {
        let mut jwk = key.jwk();
        jwk["kid"] = self.kid(name, &key.version).into();
        jwk["kty"] = key.described["kty"].clone();
        jwk["key_ops"] = key.described["key_ops"].clone();

        let mut attributes = json!({
            "enabled": key.enabled, "created": key.created, "updated": key.created,
            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
        });
        for (name, time) in [("nbf", key.nbf), ("exp", key.exp)] {
            if let Some(time) = time {
                attributes[name] = time.into();
            }
        }
        json!({ "key": jwk, "attributes": attributes, "tags": key.described["tags"] })
    }
}

/// JSON, or a status with JSON.
type Outcome = Result<Value, (u16, Value)>;

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

/// Whom to ask for a token.
const CHALLENGE: &str = "Bearer authorization=\"https://login.microsoftonline.com/directory\", resource=\"https://vault.azure.net\"";
/// When what is deleted is purged, in seconds since 1970.
pub const PURGE_DATE: u64 = 1_707_776_000;
/// The directory that the application is in.
pub const DIRECTORY: &str = "directory";
/// An application that may do everything.
pub const APPLICATION: &str = "application";
/// That application's secret.
pub const SECRET: &str = "s3cr3t";
