//! Cases of contract `v1`: the gateway's own, as its OpenAPI description has it.

mod batch;
mod keys;
mod life;
mod sign;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use serde_json::{Value, json};

use super::answer::{Reply, text};
use super::case::{Verdict, ensure, failed, skipped};
use super::server::{Server, key_path};
use super::signature::{public_key, standard_base64};

pub(super) use batch::cases as batch_cases;
pub(super) use keys::cases as key_cases;
pub(super) use life::cases as life_cases;
pub(super) use sign::cases as sign_cases;

/// A key as it was answered.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    id: String,
    state: String,
    public: PublicKey,
    fingerprint: String,
    whole: Value,
}

impl Key {
    /// Reads a key object, whose forms of the public half must all be the same.
    fn read(whole: &Value) -> Verdict<Self> {
        let halves = whole.get("public_key").cloned().unwrap_or_default();
        let public = public_key(text(&halves, "pem")?)?;
        let der = standard_base64(text(&halves, "der")?)?;
        ensure(public.der() == der, "the same key as PEM and as DER", halves.to_string())?;
        ensure(halves.pointer("/jwk/kty").is_some(), "a JWK beside them", halves.to_string())?;
        let came = text(whole, "type")?;
        ensure(came == public.key_type().as_str(), public.key_type().as_str(), came)?;

        let field = |name| text(whole, name).map(str::to_owned);
        Ok(Self {
            name: field("name")?,
            id: field("id")?,
            state: field("state")?,
            public,
            fingerprint: field("fingerprint")?,
            whole: whole.clone(),
        })
    }
}

/// The key of a type, which is made by whoever needs it first. A type that no provider offers skips the case.
async fn key(server: &Server, key_type: KeyType) -> Verdict<Key> {
    let name = server.name(key_type.as_str());
    if let Some(answer) = server.kept(&name) {
        return Key::read(&answer);
    }

    let key = create(server, &name, key_type).await?;
    server.keep(&name, key.whole.clone());
    Ok(key)
}

/// Makes a key.
async fn create(server: &Server, name: &str, key_type: KeyType) -> Verdict<Key> {
    let Some((provider, _)) = offer(server, key_type).await? else {
        return skipped(format!("no provider offers {key_type}"));
    };
    let body = json!({ "name": name, "type": key_type.as_str(), "provider": provider });
    let created = server.create_patiently(&body).await?;
    if created.status() == 403 {
        return skipped(format!("the caller may not make {key_type}: {}", created.came()));
    }

    let key = Key::read(&created.json_with(201)?)?;
    ensure(key.public.key_type() == key_type, key_type.as_str(), key.public.key_type().as_str())?;
    ensure(key.name == name, name, key.name.as_str())?;
    Ok(key)
}

/// A provider that makes keys of a type, and the schemes that they sign by.
async fn offer(server: &Server, key_type: KeyType) -> Verdict<Option<(String, Vec<String>)>> {
    for provider in providers(server).await? {
        let schemes = provider.get("keyTypes").and_then(|types| types.get(key_type.as_str()));
        if let Some(schemes) = schemes.and_then(Value::as_array) {
            let schemes = schemes.iter().filter_map(|scheme| scheme.as_str().map(str::to_owned)).collect();
            return Ok(Some((text(&provider, "providerId")?.to_owned(), schemes)));
        }
    }
    Ok(None)
}

async fn providers(server: &Server) -> Verdict<Vec<Value>> {
    let reply = server.get("/providers").await?;

    let answer = reply.json_with(200)?;
    match answer.as_array() {
        Some(providers) => Ok(providers.clone()),
        None => failed(reply.expected("a list of providers"), reply.came()),
    }
}

async fn ask_to_sign(server: &Server, name: &str, body: &Value) -> Verdict<Reply> {
    server.post(&format!("{}/sign", key_path(name)), body).await
}

async fn verify(server: &Server, name: &str, body: &Value) -> Verdict<bool> {
    let reply = server.post(&format!("{}/verify", key_path(name)), body).await?;

    match reply.json_with(200)?.get("valid").and_then(Value::as_bool) {
        Some(valid) => Ok(valid),
        None => failed(reply.expected("`valid`"), reply.came()),
    }
}

/// That a refusal has this status and this code for programs.
fn refused_as(reply: &Reply, (status, code): (u16, &str)) -> Verdict {
    let error = reply.json_with(status)?;

    ensure(text(&error, "code")? == code, &reply.expected(&format!("the code {code}")), reply.came())
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
