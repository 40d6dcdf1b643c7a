//! The bodies and paths of `webhook`, to and from the gateway's own terms.
//!
//! Fields that nobody here knows are passed over: clients come in more versions than this contract is documented in.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use keyport_core::gateway::{CreateRequest, How, OnDuplicate, SignRequest, Signed, Source};
use keyport_core::input::{Digest, Input};
use keyport_core::key::{Key, KeyName};
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Hash, KeyType};
use keyport_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::json::{Field, object};
use crate::request::percent_decoded;

/// Reads the body of `POST /keys`.
pub(super) fn create(body: &[u8], on_duplicate: OnDuplicate) -> Result<CreateRequest> {
    let CreateBody { key_id, key_type } = object(body)?;

    Ok(CreateRequest {
        name: key_name(key_id.text(KEY_ID)?)?,
        source: Source::Generate(self::key_type(&key_type)?),
        digest_as_message: false,
        provider: None,
        on_duplicate,
    })
}

/// Reads the key id in a path: one percent-encoded segment.
pub(super) fn name(segment: &str) -> Result<KeyName> {
    let text = percent_decoded(segment).ok_or_else(|| {
        Error::invalid(KEY_ID, "must be UTF-8, percent-encoded with two hexadecimal digits each")
    })?;

    key_name(&text)
}

/// Reads the body of `POST /keys/{id}/sign`.
pub(super) fn sign(name: KeyName, body: &[u8]) -> Result<SignRequest> {
    let SignBody { digest, hash_algorithm } = object(body)?;
    let hash = hash(&hash_algorithm)?;
    let digest = base64(digest.text(DIGEST)?)?;

    // ECDSA in DER or RSASSA-PKCS1-v1_5, by the key's type: the contract has no field for another.
    Ok(SignRequest { name, how: How::Usual, input: Input::Digest(Digest::new(DIGEST, hash, &digest)?) })
}

/// The answer to `POST /keys`.
#[derive(Serialize)]
pub(super) struct Created<'a> {
    public_key: String,
    fingerprint: &'a str,
}

impl<'a> Created<'a> {
    pub(super) fn of(key: &'a Key) -> Result<Self> {
        let public = public(key)?;

        Ok(Self { public_key: pem(public), fingerprint: public.fingerprint().as_str() })
    }
}

/// The answer to `GET /keys`: the keys whose type this contract has a name for.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    keys: Vec<ListedKey<'a>>,
}

#[derive(Serialize)]
struct ListedKey<'a> {
    key_id: &'a str,
    public_key: String,
    fingerprint: &'a str,
}

impl<'a> Listed<'a> {
    pub(super) fn of(keys: &'a [Arc<Key>]) -> Result<Self> {
        let keys = keys
            .iter()
            .filter(|key| KEY_TYPES.iter().any(|(key_type, _)| *key_type == key.key_type))
            .map(|key| {
                let Created { public_key, fingerprint } = Created::of(key)?;
                Ok(ListedKey { key_id: key.name.as_str(), public_key, fingerprint })
            })
            .collect::<Result<_>>()?;

        Ok(Self { keys })
    }
}

/// The answer to `POST /keys/{id}/sign`.
#[derive(Serialize)]
pub(super) struct Signature<'a> {
    signature: String,
    key_fingerprint: &'a str,
}

impl<'a> Signature<'a> {
    pub(super) fn of(signed: &'a Signed) -> Result<Self> {
        // DER, because the client stands in for a Go crypto.Signer.
        let signature = STANDARD.encode(signed.signature.der()?);

        Ok(Self { signature, key_fingerprint: public(&signed.key)?.fingerprint().as_str() })
    }
}

#[derive(Deserialize)]
struct CreateBody<'a> {
    #[serde(borrow, default)]
    key_id: Field<'a>,
    #[serde(borrow, default)]
    key_type: Field<'a>,
}

#[derive(Deserialize)]
struct SignBody<'a> {
    #[serde(borrow, default)]
    digest: Field<'a>,
    #[serde(borrow, default)]
    hash_algorithm: Field<'a>,
}

/// `.` and `..` are no key ids here: no client could name them in a path again (RFC 3986, section 5.2.4).
fn key_name(text: &str) -> Result<KeyName> {
    if matches!(text, "." | "..") {
        return Err(Error::invalid(KEY_ID, "must not be . or .."));
    }

    KeyName::new(KEY_ID, text)
}

fn key_type(field: &Field<'_>) -> Result<KeyType> {
    named("key_type", field.text("key_type")?, &KEY_TYPES)
}

fn hash(field: &Field<'_>) -> Result<Hash> {
    named("hash_algorithm", field.text("hash_algorithm")?, &HASHES)
}

/// Looks `text` up among `names`, whatever its case, and with `_` for `-`.
fn named<T: Copy>(field: &'static str, text: &str, names: &[(T, &'static str)]) -> Result<T> {
    let is_same = |name: &str| {
        let byte = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_uppercase() };
        text.len() == name.len() && text.bytes().zip(name.bytes()).all(|(text, name)| byte(text) == name)
    };

    names.iter().find(|(_, name)| is_same(name)).map(|(what, _)| *what).ok_or_else(|| {
        let offered: Vec<_> = names.iter().map(|(_, name)| *name).collect();
        Error::invalid(field, format!("must be one of {}", offered.join(", ")))
    })
}

/// Decodes either alphabet of RFC 4648, padded or not.
fn base64(text: &str) -> Result<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE_IN } else { &STANDARD_IN };

    engine.decode(text).map_err(|error| Error::invalid(DIGEST, format!("is not base64: {error}")))
}

fn public(key: &Key) -> Result<&PublicKey> {
    key.public.as_ref().ok_or_else(|| Error::internal("an active key has no public half"))
}

/// SubjectPublicKeyInfo in PEM (RFC 7468, section 13), as the contract's documentation shows it: without a last
/// end of line.
fn pem(public: &PublicKey) -> String {
    let base64 = STANDARD.encode(public.der());
    let mut pem =
        String::with_capacity(PEM_BEGIN.len() + base64.len() + base64.len() / 64 + 2 + PEM_END.len());

    pem.push_str(PEM_BEGIN);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem.push('\n');
        pem.push_str(line);
        rest = next;
    }
    pem.push('\n');
    pem.push_str(PEM_END);
    pem
}

const KEY_TYPES: [(KeyType, &str); 4] = [
    (KeyType::EcP256, "EC-P256"),
    (KeyType::EcP384, "EC-P384"),
    (KeyType::Rsa2048, "RSA-2048"),
    (KeyType::Rsa4096, "RSA-4096"),
];
const HASHES: [(Hash, &str); 3] =
    [(Hash::Sha256, "SHA-256"), (Hash::Sha384, "SHA-384"), (Hash::Sha512, "SHA-512")];

const DIGEST: &str = "digest";
const KEY_ID: &str = "key_id";

const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_IN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE_IN: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

#[cfg(test)]
mod tests;
