//! The bodies and paths of `remote_kms`, to and from the gateway's own terms.
//!
//! Fields that nobody here knows are passed over, but for members of a private key.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use keyport_core::gateway::{CreateRequest, OnDuplicate, SignRequest, Signed, Source};
use keyport_core::input::{Digest, Input};
use keyport_core::key::{Key, KeyName};
use keyport_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::json::{Field, Object, object};
use crate::jwk::{Algorithm, Jwk, PrivateJwk};
use crate::request::percent_decoded;

/// Reads the body of `POST /keys`.
pub(super) fn create(body: &[u8], on_duplicate: OnDuplicate) -> Result<(CreateRequest, Algorithm)> {
    let CreateBody { kid, alg } = object(body)?;
    let name = key_name(required(&kid, KID)?)?;
    let algorithm = algorithm(&alg)?.unwrap_or(DEFAULT);

    let source = Source::Generate(algorithm.key_type());
    Ok((CreateRequest { name, source, digest_as_message: false, provider: None, on_duplicate }, algorithm))
}

/// Reads the key id in a path: one percent-encoded segment.
pub(super) fn name(segment: &str) -> Result<KeyName> {
    let text = percent_decoded(segment).ok_or_else(|| {
        Error::invalid(KID, "must be UTF-8, percent-encoded with two hexadecimal digits each")
    })?;

    key_name(&text)
}

/// Reads the body of `POST /keys/{kid}/sign`.
pub(super) fn sign(name: KeyName, body: &[u8]) -> Result<SignRequest> {
    let SignBody { data, digest, alg } = object(body)?;
    let input = match (data.optional(DATA)?, digest.optional(DIGEST)?) {
        (Some(_), Some(_)) => Err(Error::invalid(DIGEST, "stands in the place of data: leave one out")),
        (None, Some(digest)) => hashed(digest, algorithm(&alg)?.unwrap_or(DEFAULT)),
        (_, None) => decoded(required(&data, DATA)?, DATA).map(|data| Input::Message(data.into())),
    };
    let how = algorithm(&alg)?.unwrap_or(DEFAULT).how();

    Ok(SignRequest { name, how, input: input? })
}

/// What was hashed already: an addition of our own to the contract, for other gateways, who may have no message.
fn hashed(digest: &str, algorithm: Algorithm) -> Result<Input> {
    let hash = algorithm.scheme().hash();
    let hash =
        hash.ok_or_else(|| Error::invalid(DIGEST, format!("{} signs a message", algorithm.as_str())))?;

    Digest::new(DIGEST, hash, &decoded(digest, DIGEST)?).map(Input::Digest)
}

/// Reads the body of `POST /keys/{kid}/import`, of which nothing private is copied but into what is wiped.
pub(super) fn import(
    name: KeyName,
    body: &[u8],
    on_duplicate: OnDuplicate,
) -> Result<(CreateRequest, Algorithm)> {
    let ImportBody { private_jwk, alg } = object(body)?;
    let private_jwk = private_jwk.fields(PRIVATE_JWK)?;
    let (material, algorithm) = private_jwk.material(PRIVATE_JWK, name.as_str(), algorithm(&alg)?)?;

    let source = Source::Import(material);
    Ok((CreateRequest { name, source, digest_as_message: false, provider: None, on_duplicate }, algorithm))
}

/// The answer to `POST /keys` and `POST /keys/{kid}/import`.
#[derive(Debug, Serialize)]
pub(super) struct Created<'a> {
    #[serde(rename = "publicJwk")]
    public_jwk: PublicJwk<'a>,
}

/// Nothing is said of its use: Web Cryptography refuses to verify with a key that is marked for anything else.
#[derive(Debug, Serialize)]
struct PublicJwk<'a> {
    #[serde(flatten)]
    jwk: Jwk,
    kid: &'a str,
    alg: &'static str,
}

impl<'a> Created<'a> {
    pub(super) fn of(key: &'a Key, algorithm: Algorithm) -> Result<Self> {
        let public =
            key.public.as_ref().ok_or_else(|| Error::internal("an active key has no public half"))?;

        let (jwk, kid, alg) = (Jwk::of(public)?, key.name.as_str(), algorithm.as_str());
        Ok(Self { public_jwk: PublicJwk { jwk, kid, alg } })
    }
}

/// The answer to `GET /health`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    ok: bool,
    key_count: usize,
}

impl Health {
    pub(super) fn of<T>(keys: &[T]) -> Self {
        Self { ok: true, key_count: keys.len() }
    }
}

/// The answer to `POST /keys/{kid}/sign`.
#[derive(Debug, Serialize)]
pub(super) struct Signature {
    signature: String,
}

impl Signature {
    /// r and s, not DER, because the client puts it into a JWS as it is (RFC 7518, section 3.4).
    pub(super) fn of(signed: &Signed) -> Self {
        Self { signature: URL_SAFE_NO_PAD.encode(signed.signature.bytes()) }
    }
}

#[derive(Deserialize)]
struct CreateBody<'a> {
    #[serde(borrow, default)]
    kid: Field<'a>,
    #[serde(borrow, default)]
    alg: Field<'a>,
}

#[derive(Deserialize)]
struct SignBody<'a> {
    #[serde(borrow, default)]
    data: Field<'a>,
    #[serde(borrow, default)]
    digest: Field<'a>,
    #[serde(borrow, default)]
    alg: Field<'a>,
}

#[derive(Deserialize)]
struct ImportBody<'a> {
    #[serde(borrow, default, rename = "privateJwk")]
    private_jwk: Object<PrivateJwk<'a>>,
    #[serde(borrow, default)]
    alg: Field<'a>,
}

/// `.` and `..` are no key ids here: no client could name them in a path again (RFC 3986, section 5.2.4).
fn key_name(text: &str) -> Result<KeyName> {
    if matches!(text, "." | "..") {
        return Err(Error::invalid(KID, "must not be . or .."));
    }

    KeyName::new(KID, text)
}

/// A text that is there and not empty.
fn required<'f>(field: &'f Field<'_>, name: &'static str) -> Result<&'f str> {
    match field.optional(name)? {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) | None => Err(Error::invalid(name, "is required")),
    }
}

fn decoded(text: &str, name: &'static str) -> Result<Vec<u8>> {
    STANDARD_IN.decode(text).map_err(|_position| Error::invalid(name, "must be valid Base64"))
}

fn algorithm(field: &Field<'_>) -> Result<Option<Algorithm>> {
    let Some(name) = field.optional(ALG)? else { return Ok(None) };

    Algorithm::named(name).map(Some).ok_or_else(|| {
        let shown: String = name.chars().take(LONGEST_SHOWN).collect();
        Error::invalid(ALG, shown)
    })
}

/// What is meant where none is named.
const DEFAULT: Algorithm = Algorithm::Es256;
/// Characters of an unknown algorithm that are repeated to whoever named it.
const LONGEST_SHOWN: usize = 32;

pub(super) const ALG: &str = "alg";
pub(super) const DATA: &str = "data";
const DIGEST: &str = "digest";
pub(super) const KID: &str = "kid";
pub(super) const PRIVATE_JWK: &str = "privateJwk";

const STANDARD_IN: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests;
