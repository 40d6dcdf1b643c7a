//! Signatures: what is to be signed or verified, and what comes back.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keyport_core::gateway::{How, SignRequest, Signed, VerifyRequest};
use keyport_core::input::{Digest, Input};
use keyport_core::key::KeyName;
use keyport_core::scheme::{Hash, Scheme};
use keyport_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::key::public;
use super::{base64, scheme};
use crate::json::{Field, object};

/// How a signature is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::contract::v1) enum Format {
    /// What X.509 has: DER for ECDSA; in base64.
    Der,
    /// What JWS has: r and s for ECDSA; in base64url without padding, to be put behind the last dot.
    Jws,
    /// What JWS has, in base64.
    Raw,
}

/// A signature that is to be made.
#[derive(Debug)]
pub(in crate::contract::v1) struct Signing {
    /// What the gateway is asked.
    pub(in crate::contract::v1) request: SignRequest,
    /// How the answer is to be written.
    pub(in crate::contract::v1) format: Format,
}

/// The body of `POST /keys/{name}/sign`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::contract::v1) struct SignBody<'a> {
    #[serde(borrow, default)]
    pub(in crate::contract::v1) digest: Field<'a>,
    #[serde(borrow, default)]
    pub(in crate::contract::v1) message: Field<'a>,
    #[serde(borrow, default)]
    pub(in crate::contract::v1) scheme: Field<'a>,
    #[serde(borrow, default)]
    pub(in crate::contract::v1) format: Field<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody<'a> {
    #[serde(borrow, default)]
    digest: Field<'a>,
    #[serde(borrow, default)]
    message: Field<'a>,
    #[serde(borrow, default)]
    scheme: Field<'a>,
    #[serde(borrow, default)]
    signature: Field<'a>,
}

/// Reads the body of `POST /keys/{name}/sign`.
pub(in crate::contract::v1) fn sign(name: KeyName, body: &[u8]) -> Result<Signing> {
    object::<SignBody<'_>>(body)?.of(name)
}

impl SignBody<'_> {
    /// What it asks of the key `name`.
    pub(in crate::contract::v1) fn of(&self, name: KeyName) -> Result<Signing> {
        let What { how, input } = What::read(&self.scheme, &self.digest, &self.message)?;
        let format = self.format.optional("format")?.map_or(Ok(Format::Der), format)?;

        Ok(Signing { request: SignRequest { name, how, input }, format })
    }
}

/// Reads the body of `POST /keys/{name}/verify`.
pub(in crate::contract::v1) fn verify(name: KeyName, body: &[u8]) -> Result<VerifyRequest> {
    let VerifyBody { digest, message, scheme, signature } = object(body)?;
    let What { how, input } = What::read(&scheme, &digest, &message)?;
    let signature = base64("signature", signature.text("signature")?)?;

    Ok(VerifyRequest { name, how, input, signature })
}

/// The answer to `POST /keys/{name}/sign`.
#[derive(Serialize)]
pub(in crate::contract::v1) struct Signature<'a> {
    signature: String,
    format: Format,
    key_id: String,
    fingerprint: &'a str,
}

impl<'a> Signature<'a> {
    pub(in crate::contract::v1) fn of(signed: &'a Signed, format: Format) -> Result<Self> {
        let signature = match format {
            Format::Der => STANDARD.encode(signed.signature.der()?),
            Format::Jws => URL_SAFE_NO_PAD.encode(signed.signature.bytes()),
            Format::Raw => STANDARD.encode(signed.signature.bytes()),
        };

        Ok(Self {
            signature,
            format,
            key_id: signed.key.id.to_string(),
            fingerprint: public(&signed.key)?.fingerprint().as_str(),
        })
    }
}

/// The answer to `POST /keys/{name}/verify`.
#[derive(Serialize)]
pub(in crate::contract::v1) struct Verified {
    /// Whether the signature is the key's.
    pub(in crate::contract::v1) valid: bool,
}

/// An error as this contract spells it: what others call `alg` is `scheme` here.
pub(in crate::contract::v1) fn respelt(error: Error) -> Error {
    if let Error::InvalidRequest { field: "alg", reason } = error {
        return Error::invalid("scheme", reason);
    }
    error
}

/// What is to be signed or was, and how.
struct What {
    how: How,
    input: Input,
}

impl What {
    fn read(scheme: &Field<'_>, digest: &Field<'_>, message: &Field<'_>) -> Result<Self> {
        let scheme = scheme.optional("scheme")?.map(scheme::scheme).transpose()?;
        let how = scheme.map_or(How::Usual, |(_, how)| how);
        let input = match (digest.optional("digest")?, message.optional("message")?) {
            (Some(digest), None) => {
                let digest = base64("digest", digest)?;
                let hash = hash(scheme.map(|(scheme, _)| scheme), &digest)?;
                Input::Digest(Digest::new("digest", hash, &digest)?)
            }
            (None, Some(message)) => Input::Message(base64("message", message)?.into()),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Error::invalid("digest", "or message must be there, and not both"));
            }
        };
        Ok(Self { how, input })
    }
}

/// The hash that made a digest: the scheme's, or the one of its family (FIPS 180-4) with digests of this length. Of pure
/// Ed25519 it is the one whose digests some keys take as messages; of others they are refused once the key is known.
fn hash(scheme: Option<Scheme>, digest: &[u8]) -> Result<Hash> {
    match scheme {
        Some(Scheme::Ed25519) => Ok(Hash::Sha512),
        Some(scheme) => scheme
            .hash()
            .ok_or_else(|| Error::invalid("digest", format!("{} signs a message", scheme::name(scheme)))),
        None => Hash::ALL
            .into_iter()
            .find(|hash| hash.digest_len() == digest.len())
            .ok_or_else(|| Error::invalid("digest", "must have 32, 48 or 64 bytes: SHA-256, -384 or -512")),
    }
}

fn format(text: &str) -> Result<Format> {
    match text {
        "der" => Ok(Format::Der),
        "jws" => Ok(Format::Jws),
        "raw" => Ok(Format::Raw),
        _ => Err(Error::invalid("format", "must be der, jws or raw")),
    }
}
