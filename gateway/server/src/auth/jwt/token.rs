//! A JSON Web Token in its compact form, before anything in it is believed (RFC 7515, section 3.1).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::Denial;

/// What a token claims to be.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// The whole of it.
    pub(super) bytes: &'a [u8],
    /// How it is signed.
    pub(super) algorithm: Algorithm,
    /// With which key.
    pub(super) key_id: Option<String>,
    /// By whom.
    pub(super) issuer: String,
}

impl<'a> Token<'a> {
    /// Whether `bytes` look like one: JSON in base64url begins like this.
    pub(super) fn is_likely(bytes: &[u8]) -> bool {
        bytes.starts_with(b"eyJ") && bytes.iter().filter(|byte| **byte == b'.').count() == 2
    }

    /// Reads `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Denial> {
        if bytes.len() > LONGEST {
            return Err(Denial::TooLong);
        }
        let mut parts = bytes.split(|byte| *byte == b'.');
        let (Some(header), Some(claims), Some(_signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Denial::Malformed);
        };

        let Header { alg, kid, crit } = json(header)?;
        // Nothing that must be understood is understood (RFC 7515, section 4.1.11).
        if crit.is_some() {
            return Err(Denial::Malformed);
        }
        // `none` is no algorithm, to begin with.
        let algorithm = alg.parse().map_err(|_unknown| Denial::WrongAlgorithm)?;
        let Issued { iss } = json(claims)?;
        Ok(Self { bytes, algorithm, key_id: kid, issuer: iss })
    }
}

fn json<T: DeserializeOwned>(part: &[u8]) -> Result<T, Denial> {
    let text = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_digits| Denial::Malformed)?;

    serde_json::from_slice(&text).map_err(|_shape| Denial::Malformed)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Issued {
    iss: String,
}

/// No legitimate token is longer, in bytes.
const LONGEST: usize = 8 * 1024;
