//! Keys: how they are asked for, and how they are shown.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyport_core::gateway::{CreateRequest, OnDuplicate, RegisterRequest, Source};
use keyport_core::key::{Key, KeyId, KeyName, State};
use keyport_core::name::{BadName, ProviderName};
use keyport_core::outside::Timestamp;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key_name;
use crate::json::{Field, Object, object};
use crate::jwk::{Jwk, PrivateJwk};
use crate::request::percent_decoded;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody<'a> {
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default, rename = "type")]
    key_type: Field<'a>,
    #[serde(borrow, default)]
    digests: Field<'a>,
    #[serde(borrow, default)]
    provider: Field<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportBody<'a> {
    #[serde(borrow, default)]
    private_jwk: Object<PrivateJwk<'a>>,
    #[serde(borrow, default)]
    digests: Field<'a>,
    #[serde(borrow, default)]
    provider: Field<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody<'a> {
    #[serde(borrow, default)]
    object: Field<'a>,
    #[serde(borrow, default)]
    digests: Field<'a>,
    #[serde(borrow, default)]
    provider: Field<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoreBody<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
}

/// Reads the body of `POST /keys`.
pub(in crate::contract::v1) fn create(body: &[u8]) -> Result<CreateRequest> {
    let CreateBody { name, key_type, digests, provider } = object(body)?;
    let name = key_name("name", name.text("name")?)?;

    Ok(CreateRequest {
        name,
        source: Source::Generate(self::key_type(key_type.text("type")?)?),
        digest_as_message: digest_as_message(&digests)?,
        provider: provider_name(&provider)?,
        on_duplicate: OnDuplicate::Conflict,
    })
}

/// Reads the body of `POST /keys/{name}/import`, and wipes it.
pub(in crate::contract::v1) fn import(name: KeyName, body: Vec<u8>) -> Result<CreateRequest> {
    let body = Zeroizing::new(body);
    let ImportBody { private_jwk, digests, provider } = object(&body)?;
    let digest_as_message = digest_as_message(&digests)?;
    let provider = provider_name(&provider)?;
    let private_jwk = private_jwk.fields("private_jwk")?;
    let (material, _algorithm) = private_jwk.material("private_jwk", name.as_str(), None)?;

    Ok(CreateRequest {
        name,
        source: Source::Import(material),
        digest_as_message,
        provider,
        on_duplicate: OnDuplicate::Conflict,
    })
}

/// Reads the body of `POST /keys/{name}/register`.
pub(in crate::contract::v1) fn register(name: KeyName, body: &[u8]) -> Result<RegisterRequest> {
    let RegisterBody { object: named, digests, provider } = object(body)?;
    let object = named.text("object")?;
    if object.is_empty() || object.len() > OBJECT || object.chars().any(char::is_control) {
        let what = format!("must have 1 to {OBJECT} bytes, and no control characters");
        return Err(Error::invalid("object", what));
    }

    Ok(RegisterRequest {
        name,
        object: object.to_owned(),
        digest_as_message: digest_as_message(&digests)?,
        provider: provider_name(&provider)?,
    })
}

/// Reads the key's name in a path: one percent-encoded segment.
pub(in crate::contract::v1) fn name_in_path(segment: &str) -> Result<KeyName> {
    let text = percent_decoded(segment).ok_or_else(|| {
        Error::invalid("name", "must be UTF-8, percent-encoded with two hexadecimal digits each")
    })?;

    key_name("name", &text)
}

/// Reads the body of `POST /keys/{name}/restore`.
pub(in crate::contract::v1) fn restore(body: &[u8]) -> Result<KeyId> {
    let RestoreBody { id } = object(body)?;

    id.text("id")?.parse().map_err(|_bad| Error::invalid("id", "must be 32 lower-case hexadecimal digits"))
}

/// Reads a state that a key can be seen in.
pub(in crate::contract::v1) fn state(text: &str) -> Result<State> {
    [State::Active, State::Released, State::Destroying]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Error::invalid("state", "must be active, released or destroying"))
}

/// A key as callers see it.
#[derive(Serialize)]
pub(in crate::contract::v1) struct KeyObject<'a> {
    name: &'a str,
    id: String,
    #[serde(rename = "type")]
    key_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digests: Option<&'static str>,
    state: &'static str,
    created: String,
    destroy_after: Option<String>,
    provider: &'a str,
    fingerprint: &'a str,
    public_key: PublicHalf,
}

#[derive(Serialize)]
struct PublicHalf {
    pem: String,
    der: String,
    jwk: Jwk,
}

impl<'a> KeyObject<'a> {
    pub(in crate::contract::v1) fn of(key: &'a Key) -> Result<Self> {
        let public = public(key)?;
        let der = STANDARD.encode(public.der());

        Ok(Self {
            name: key.name.as_str(),
            id: key.id.to_string(),
            key_type: key.key_type.as_str(),
            digests: key.digest_as_message.then_some(AS_MESSAGE),
            state: key.state.as_str(),
            created: rfc3339(key.created),
            destroy_after: key.destroy_after.map(rfc3339),
            provider: key.provider.as_str(),
            fingerprint: public.fingerprint().as_str(),
            public_key: PublicHalf { pem: pem(&der), der, jwk: Jwk::of(public)? },
        })
    }
}

/// The answer to `GET /keys`.
#[derive(Serialize)]
pub(in crate::contract::v1) struct KeyPage<'a> {
    keys: Vec<KeyObject<'a>>,
    next_cursor: Option<&'a str>,
}

impl<'a> KeyPage<'a> {
    pub(in crate::contract::v1) fn of(
        (keys, next_cursor): &'a (Vec<Arc<Key>>, Option<String>),
    ) -> Result<Self> {
        let keys = keys.iter().map(|key| KeyObject::of(key)).collect::<Result<_>>()?;

        Ok(Self { keys, next_cursor: next_cursor.as_deref() })
    }
}

/// The public half of a key that callers may see.
pub(in crate::contract::v1) fn public(key: &Key) -> Result<&PublicKey> {
    key.public.as_ref().ok_or_else(|| Error::internal("a key that is shown has no public half"))
}

fn provider_name(field: &Field<'_>) -> Result<Option<ProviderName>> {
    let parse = |name: &str| name.parse().map_err(|bad: BadName| Error::invalid("provider", bad.to_string()));

    field.optional("provider")?.map(parse).transpose()
}

/// Whether digests are messages of the key; left out, they are not.
fn digest_as_message(field: &Field<'_>) -> Result<bool> {
    match field.optional("digests")? {
        None => Ok(false),
        Some(AS_MESSAGE) => Ok(true),
        Some(_) => Err(Error::invalid("digests", format!("must be {AS_MESSAGE}, or left out"))),
    }
}

fn key_type(text: &str) -> Result<KeyType> {
    text.parse().map_err(|_unknown| {
        let known: Vec<_> = KeyType::ALL.iter().map(|key_type| key_type.as_str()).collect();
        Error::invalid("type", format!("must be one of {}", known.join(", ")))
    })
}

fn rfc3339(time: Timestamp) -> String {
    humantime::format_rfc3339_millis(time.system_time()).to_string()
}

/// SubjectPublicKeyInfo in PEM (RFC 7468, section 13), of its DER in base64.
fn pem(base64: &str) -> String {
    let mut pem = String::with_capacity(base64.len() + base64.len() / 64 + 64);
    pem.push_str("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, next) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = next;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

const AS_MESSAGE: &str = "as-message";

/// The longest name of a custodian's object, in bytes: a cloud's resource names have some hundred.
const OBJECT: usize = 1024;
