//! AWS KMS: the operations that a gateway calls, and those that tests call to set things up.

use aws_lc_rs::digest::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::keys::{algorithms, hash};
use super::{ACCOUNT, Account, Key, State, refusal};
use crate::Answer;

impl Account {
    pub(super) async fn kms(&self, operation: &str, body: &[u8]) -> Result<Answer, Answer> {
        let asked: Value =
            serde_json::from_slice(body).map_err(|_bad| refusal(400, "SerializationException", "no JSON"))?;

        match operation {
            "CreateKey" => self.create_key(&asked).await,
            "CreateAlias" => self.create_alias(&asked),
            "DescribeKey" => self.with(&asked, |key| Ok(json!({ "KeyMetadata": metadata(key) }))),
            "GetPublicKey" => self.with(&asked, public_key),
            "Sign" => self.with(&asked, |key| sign(key, &asked)),
            "ScheduleKeyDeletion" => self.with(&asked, |key| schedule(key, &asked)),
            "CancelKeyDeletion" => self.with(&asked, cancel),
            "DisableKey" => self.with(&asked, |key| set(key, State::Disabled)),
            "EnableKey" => self.with(&asked, enable),
            "ListResourceTags" => self.with(&asked, |key| {
                let tags = key.tags.iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value }));
                Ok(json!({ "Tags": tags.collect::<Vec<_>>(), "Truncated": false }))
            }),
            _ => Err(refusal(400, "UnknownOperationException", operation)),
        }
    }

    async fn create_key(&self, asked: &Value) -> Result<Answer, Answer> {
        let spec = asked["KeySpec"].as_str().unwrap_or("SYMMETRIC_DEFAULT").to_owned();
        let (region, multi_region) = (self.region.clone(), asked["MultiRegion"] == true);
        let made = tokio::task::spawn_blocking(move || Key::new(&region, &spec, multi_region)).await.unwrap();

        let tags = asked["Tags"].as_array().cloned().unwrap_or_default();
        let tag = |tag: &Value, name: &str| tag[name].as_str().unwrap().to_owned();
        let key = Key {
            usage: asked["KeyUsage"].as_str().unwrap_or("ENCRYPT_DECRYPT").to_owned(),
            description: asked["Description"].as_str().unwrap_or_default().to_owned(),
            tags: tags.iter().map(|each| (tag(each, "TagKey"), tag(each, "TagValue"))).collect(),
            ..made
        };

        let answer = Answer::json(200, &json!({ "KeyMetadata": metadata(&key) }));
        self.keys().add(key);
        Ok(answer)
    }

    fn create_alias(&self, asked: &Value) -> Result<Answer, Answer> {
        let (alias, target) = (asked["AliasName"].as_str().unwrap(), asked["TargetKeyId"].as_str().unwrap());
        let mut keys = self.keys();
        if keys.has_alias(alias) {
            let arn = format!("arn:aws:kms:{}:{ACCOUNT}:{alias}", self.region);
            let message = format!("An alias with the name {arn} already exists");
            return Err(refusal(400, "AlreadyExistsException", &message));
        }

        let key = keys.get(target).and_then(seen).ok_or_else(|| missing(target))?;
        if key.state == State::PendingDeletion {
            return Err(pending(key));
        }
        let id = key.id.clone();
        keys.alias(alias, &id);
        Ok(Answer::of(200, ""))
    }

    fn with(
        &self,
        asked: &Value,
        act: impl FnOnce(&mut Key) -> Result<Value, Answer>,
    ) -> Result<Answer, Answer> {
        let name = asked["KeyId"].as_str().unwrap_or_default();
        let mut keys = self.keys();
        let key = keys.get(name).and_then(seen).ok_or_else(|| missing(name))?;

        act(key).map(|answer| Answer::json(200, &answer))
    }
}

/// A key that is there for everybody.
fn seen(key: &mut Key) -> Option<&mut Key> {
    if key.unseen > 0 {
        key.unseen -= 1;
        return None;
    }

    Some(key)
}

fn metadata(key: &Key) -> Value {
    let mut metadata = json!({
        "AWSAccountId": ACCOUNT,
        "Arn": key.arn,
        "CreationDate": 1_700_000_000.5,
        "CustomerMasterKeySpec": key.spec,
        "Description": key.description,
        "Enabled": key.state == State::Enabled,
        "KeyId": key.id,
        "KeyManager": "CUSTOMER",
        "KeySpec": key.spec,
        "KeyState": key.state.name(),
        "KeyUsage": key.usage,
        "MultiRegion": key.multi_region,
        "Origin": "AWS_KMS",
        "SigningAlgorithms": algorithms(&key.spec),
    });
    if key.state == State::PendingDeletion {
        metadata["DeletionDate"] = DELETION_DATE.into();
    }
    if key.multi_region {
        metadata["MultiRegionConfiguration"] = regions(key);
    }
    metadata
}

/// Which of a multi-Region key's this one is. A primary key's replicas are in services that this one does not know of.
fn regions(key: &Key) -> Value {
    let of = |arn: &str| json!({ "Arn": arn, "Region": arn.split(':').nth(3) });
    let Some(primary) = &key.primary else {
        return json!({ "MultiRegionKeyType": "PRIMARY", "PrimaryKey": of(&key.arn), "ReplicaKeys": [] });
    };

    json!({ "MultiRegionKeyType": "REPLICA", "PrimaryKey": of(primary), "ReplicaKeys": [of(&key.arn)] })
}

fn public_key(key: &mut Key) -> Result<Value, Answer> {
    usable(key)?;

    Ok(json!({
        "CustomerMasterKeySpec": key.spec,
        "KeyId": key.arn,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        "PublicKey": BASE64_STANDARD.encode(key.pair.public()),
        "SigningAlgorithms": algorithms(&key.spec),
    }))
}

fn sign(key: &Key, asked: &Value) -> Result<Value, Answer> {
    usable(key)?;
    let algorithm = asked["SigningAlgorithm"].as_str().unwrap_or_default();
    if !algorithms(&key.spec).contains(&algorithm) || key.usage != "SIGN_VERIFY" {
        let message = format!("Algorithm {algorithm} is incompatible with key spec {}.", key.spec);
        return Err(refusal(400, "InvalidKeyUsageException", &message));
    }
    let message = BASE64_STANDARD.decode(asked["Message"].as_str().unwrap_or_default()).unwrap_or_default();
    if message.is_empty() || message.len() > 4096 {
        return Err(invalid("Member must have length between 1 and 4096"));
    }

    let is_digest = asked["MessageType"] == "DIGEST";
    let input = match algorithm {
        "ED25519_SHA_512" | "ML_DSA_SHAKE_256" if is_digest => {
            return Err(invalid(&format!("{algorithm} takes no messages of type DIGEST")));
        }
        "ED25519_SHA_512" | "ML_DSA_SHAKE_256" => message,
        _ if is_digest && message.len() != hash(algorithm).output_len() => {
            return Err(invalid(&format!("Digest is invalid length for algorithm {algorithm}.")));
        }
        _ if is_digest => message,
        _ => digest(hash(algorithm), &message).as_ref().to_vec(),
    };
    let signature = key.pair.sign(algorithm, &input);
    Ok(json!({
        "KeyId": key.arn,
        "Signature": BASE64_STANDARD.encode(signature),
        "SigningAlgorithm": algorithm,
    }))
}

fn schedule(key: &mut Key, asked: &Value) -> Result<Value, Answer> {
    if key.state == State::PendingDeletion {
        return Err(pending(key));
    }
    let window = asked["PendingWindowInDays"].as_i64().unwrap_or(30);
    if !(7..=30).contains(&window) {
        return Err(invalid("PendingWindowInDays is 7 to 30"));
    }

    (key.state, key.window) = (State::PendingDeletion, Some(window));
    Ok(json!({
        "DeletionDate": DELETION_DATE,
        "KeyId": key.arn,
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": window,
    }))
}

fn cancel(key: &mut Key) -> Result<Value, Answer> {
    if key.state != State::PendingDeletion {
        let message = format!("{} is not pending deletion.", key.arn);
        return Err(refusal(400, "KMSInvalidStateException", &message));
    }

    key.window = None;
    set(key, State::Disabled)
}

fn enable(key: &mut Key) -> Result<Value, Answer> {
    if key.state == State::PendingDeletion { Err(pending(key)) } else { set(key, State::Enabled) }
}

fn set(key: &mut Key, state: State) -> Result<Value, Answer> {
    key.state = state;

    Ok(json!({ "KeyId": key.arn }))
}

fn usable(key: &Key) -> Result<(), Answer> {
    match key.state {
        State::Enabled => Ok(()),
        State::Disabled => Err(refusal(400, "DisabledException", &format!("{} is disabled.", key.arn))),
        State::PendingDeletion => Err(pending(key)),
        State::Creating => {
            Err(refusal(400, "KMSInvalidStateException", &format!("{} is creating.", key.arn)))
        }
    }
}

fn pending(key: &Key) -> Answer {
    refusal(400, "KMSInvalidStateException", &format!("{} is pending deletion.", key.arn))
}

fn missing(name: &str) -> Answer {
    let what = if name.starts_with("alias/") { "Alias" } else { "Key" };

    refusal(400, "NotFoundException", &format!("{what} '{name}' does not exist"))
}

fn invalid(message: &str) -> Answer {
    refusal(400, "ValidationException", message)
}

/// When what is scheduled for deletion is deleted, in seconds since 1970.
pub const DELETION_DATE: f64 = 1_800_000_000.5;
