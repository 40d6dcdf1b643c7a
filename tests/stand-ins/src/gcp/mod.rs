//! Google Cloud KMS, and what gives out tokens for it, as far as they are documented and a gateway calls them, on one address of
//! this machine.

mod access;
mod key;

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

pub use access::{Access, SUBJECT, key_file};
pub use key::Key;

use crate::{Answer, Asked, Service};

/// Cloud KMS on an address.
pub type StandIn = crate::StandIn<Kms>;

/// The keys of a project, and who may use them.
#[derive(Debug, Default)]
pub struct Kms {
    /// Who may call.
    pub access: Access,
    /// By name, without the version.
    pub keys: Mutex<BTreeMap<String, Key>>,
    /// How often a new key is looked at before it is ready.
    pub pending: Mutex<u32>,
    /// Permissions that nobody has.
    pub lacking: Mutex<Vec<&'static str>>,
}

impl StandIn {
    /// One without keys.
    #[must_use]
    pub fn start() -> Self {
        Self::of(|_| Kms::default())
    }
}

impl Service for Kms {
    async fn answer(&self, asked: &Asked) -> Answer {
        let answer = Answer::from(self.answered(asked));

        if answer.status == 401 { answer.with("www-authenticate", "Bearer") } else { answer }
    }
}

impl Kms {
    /// The states of the keys that there are.
    pub fn states(&self) -> Vec<&'static str> {
        self.keys.lock().unwrap().values().map(|key| key.state).collect()
    }

    /// Puts a key there that no gateway made.
    pub fn add(&self, ring: &str, id: &str) {
        let described = json!({ "versionTemplate": { "protectionLevel": "SOFTWARE" } });
        let key = Key::new("EC_SIGN_P256_SHA256", described, 0).unwrap();

        self.keys.lock().unwrap().insert(format!("{ring}/cryptoKeys/{id}"), key);
    }

    /// Has the keys that another ring has, too, as if they were imported into both: with the same material, under the same
    /// names.
    pub fn import(&self, ring: &str, other: &Self) {
        for (name, key) in other.keys.lock().unwrap().iter() {
            let (_, id) = name.rsplit_once('/').unwrap();
            self.keys.lock().unwrap().insert(format!("{ring}/cryptoKeys/{id}"), key.clone());
        }
    }

    /// Puts every key into this state.
    pub fn put_all(&self, state: &'static str) {
        self.keys.lock().unwrap().values_mut().for_each(|key| key.state = state);
    }

    fn answered(&self, asked: &Asked) -> Outcome {
        if let Some(answer) = self.access.endpoint(asked) {
            return answer;
        }
        if !self.access.admits(asked) {
            return Err(refusal(401, "UNAUTHENTICATED", "invalid authentication credentials"));
        }

        let path = asked.path.strip_prefix("/v1/").unwrap_or_default();
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        match (asked.method.as_str(), path.rsplit_once(':'), path.split_once("/cryptoKeyVersions/1")) {
            ("POST", Some((_, "testIamPermissions")), _) => Ok(self.held(&body)),
            ("POST", None, None) if path.ends_with("/cryptoKeys") => {
                self.create(path, &asked.parameter("cryptoKeyId"), &body)
            }
            ("POST", Some((_, "asymmetricSign")), Some((name, _))) => self.sign(name, &body),
            ("POST", Some((_, "destroy")), Some((name, _))) => self.destroy(name),
            ("POST", Some((_, "restore")), Some((name, _))) => self.restore(name),
            ("PATCH", None, Some((name, ""))) => self.patch(name, &asked.parameter("updateMask"), &body),
            ("GET", None, Some((name, ""))) => self.version(name),
            ("GET", None, Some((name, "/publicKey"))) => {
                self.public_key(name, &asked.parameter("publicKeyFormat"))
            }
            _ => Err(refusal(404, "NOT_FOUND", "no such method or resource")),
        }
    }

    fn held(&self, body: &Value) -> Value {
        let lacking = self.lacking.lock().unwrap();
        let is_held = |name: &&Value| !lacking.iter().any(|lacking| *name == lacking);
        let held: Vec<_> = body["permissions"].as_array().unwrap().iter().filter(is_held).collect();

        if held.is_empty() { json!({}) } else { json!({ "permissions": held }) }
    }

    fn create(&self, path: &str, id: &str, body: &Value) -> Outcome {
        let invalid = |message: &str| refusal(400, "INVALID_ARGUMENT", message);
        if id.is_empty() {
            return Err(invalid("crypto_key_id is required"));
        }
        let name = format!("{path}/{id}");
        let template = &body["versionTemplate"];
        let algorithm = named(&template["algorithm"], &ALGORITHMS);
        let level = named(&template["protectionLevel"], &[(1, "SOFTWARE"), (2, "HSM")]);
        if named(&body["purpose"], &[(5, "ASYMMETRIC_SIGN")]) != "ASYMMETRIC_SIGN" {
            return Err(invalid("the purpose does not fit the algorithm"));
        }
        if level.is_empty() || algorithm.contains("SECP256K1") && level != "HSM" {
            return Err(invalid("the protection level does not fit the algorithm"));
        }
        if let Some(label) = bad_label(&body["labels"]) {
            return Err(invalid(&format!("{label} is no label")));
        }

        let mut keys = self.keys.lock().unwrap();
        if keys.contains_key(&name) {
            return Err(refusal(409, "ALREADY_EXISTS", &format!("CryptoKey {name} already exists.")));
        }
        let lasting = body.get("destroyScheduledDuration").and_then(Value::as_str).unwrap_or("2592000s");
        let described = json!({
            "name": name,
            "purpose": "ASYMMETRIC_SIGN",
            "createTime": "2026-01-01T00:00:00.000000001Z",
            "versionTemplate": { "protectionLevel": level, "algorithm": algorithm },
            "labels": body["labels"],
            "destroyScheduledDuration": lasting,
        });
        let key = Key::new(&algorithm, described.clone(), *self.pending.lock().unwrap());
        keys.insert(name, key.ok_or_else(|| invalid("no such algorithm"))?);
        Ok(described)
    }

    fn version(&self, name: &str) -> Outcome {
        self.with(name, |key| {
            let before = key.state;
            key.looked_at();
            Ok(described(name, key, before))
        })
    }

    fn public_key(&self, name: &str, form: &str) -> Outcome {
        self.with(name, |key| {
            enabled(name, key)?;
            let refused = || refusal(400, "INVALID_ARGUMENT", "public_key_format does not fit the algorithm");
            let mut answer = key.public(form).ok_or_else(refused)?;
            answer["name"] = format!("{name}/cryptoKeyVersions/1").into();
            answer["algorithm"] = key.algorithm.clone().into();
            answer["protectionLevel"] = key.described["versionTemplate"]["protectionLevel"].clone();
            Ok(answer)
        })
    }

    fn sign(&self, name: &str, body: &Value) -> Outcome {
        self.with(name, |key| {
            enabled(name, key)?;
            let mut answer = key.sign(body).map_err(|message| refusal(400, "INVALID_ARGUMENT", &message))?;
            answer["name"] = format!("{name}/cryptoKeyVersions/1").into();
            answer["protectionLevel"] = key.described["versionTemplate"]["protectionLevel"].clone();
            Ok(answer)
        })
    }

    fn destroy(&self, name: &str) -> Outcome {
        self.with(name, |key| {
            if !matches!(key.state, "ENABLED" | "DISABLED") {
                return Err(not_enabled(name, key));
            }
            key.state = "DESTROY_SCHEDULED";
            Ok(described(name, key, key.state))
        })
    }

    fn restore(&self, name: &str) -> Outcome {
        self.with(name, |key| {
            if key.state != "DESTROY_SCHEDULED" {
                return Err(not_enabled(name, key));
            }
            key.state = "DISABLED";
            Ok(described(name, key, key.state))
        })
    }

    /// Its state is all that is ever patched, and only between these two.
    fn patch(&self, name: &str, mask: &str, body: &Value) -> Outcome {
        let wanted = named(&body["state"], &[(1, "ENABLED"), (2, "DISABLED")]);
        self.with(name, |key| {
            if mask != "state" || wanted.is_empty() {
                return Err(refusal(
                    400,
                    "INVALID_ARGUMENT",
                    "update_mask names what is there to be updated",
                ));
            }
            if !matches!(key.state, "ENABLED" | "DISABLED") {
                return Err(not_enabled(name, key));
            }
            key.state = if wanted == "ENABLED" { "ENABLED" } else { "DISABLED" };
            Ok(described(name, key, key.state))
        })
    }

    fn with(&self, name: &str, answer: impl FnOnce(&mut Key) -> Outcome) -> Outcome {
        let mut keys = self.keys.lock().unwrap();
        let missing = || refusal(404, "NOT_FOUND", &format!("CryptoKey {name} not found."));

        answer(keys.get_mut(name).ok_or_else(missing)?)
    }
}

/// JSON, or a status with JSON.
type Outcome = Result<Value, (u16, Value)>;

fn described(name: &str, key: &Key, state: &str) -> Value {
    let mut version = json!({
        "name": format!("{name}/cryptoKeyVersions/1"),
        "state": state,
        "protectionLevel": key.described["versionTemplate"]["protectionLevel"],
        "algorithm": key.algorithm,
        "createTime": "2026-01-01T00:00:00.000000001Z",
    });
    if state == "DESTROY_SCHEDULED" {
        version["destroyTime"] = DESTROY_TIME.into();
    }
    version
}

fn enabled(name: &str, key: &Key) -> Result<(), (u16, Value)> {
    if key.state == "ENABLED" { Ok(()) } else { Err(not_enabled(name, key)) }
}

fn not_enabled(name: &str, key: &Key) -> (u16, Value) {
    let message = format!("{name}/cryptoKeyVersions/1 is not enabled, current state is: {}.", key.state);

    refusal(400, "FAILED_PRECONDITION", &message)
}

fn refusal(status: u16, name: &str, message: &str) -> (u16, Value) {
    (status, json!({ "error": { "code": status, "message": message, "status": name } }))
}

/// An enum's value by its name: clients may send either.
fn named(value: &Value, names: &[(u64, &str)]) -> String {
    let by_number =
        |number| names.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned());

    value.as_str().map(str::to_owned).or_else(|| by_number(value.as_u64()?)).unwrap_or_default()
}

/// A label that Google does not take.
fn bad_label(labels: &Value) -> Option<String> {
    let fits = |text: &str| {
        let is_allowed = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '_' | '-');
        text.len() <= 63 && text.chars().all(is_allowed)
    };
    let bad = |(name, text): &(&String, &Value)| {
        !fits(name)
            || !name.starts_with(|char: char| char.is_ascii_lowercase())
            || !text.as_str().is_some_and(fits)
    };

    labels.as_object()?.iter().find(bad).map(|(name, _)| name.clone())
}

/// When what is scheduled for destruction is destroyed.
pub const DESTROY_TIME: &str = "2100-01-31T00:00:00.000000001Z";
const ALGORITHMS: [(u64, &str); 4] = [
    (12, "EC_SIGN_P256_SHA256"),
    (28, "RSA_SIGN_RAW_PKCS1_2048"),
    (40, "EC_SIGN_ED25519"),
    (56, "PQ_SIGN_ML_DSA_65"),
];
