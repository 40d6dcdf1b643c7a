//! An issuer's public keys, as it publishes them (RFC 7517, section 5).

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::super::Denial;

/// The keys that signatures may be by.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    digest: [u8; 32],
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// `None` where the key may be used with all that it fits.
    algorithm: Option<Algorithm>,
    public: DecodingKey,
}

impl KeySet {
    /// Reads `document`. Keys of kinds that nobody here needs are left out.
    pub(super) fn parse(document: &[u8]) -> Result<Self, BadKeys> {
        let Document { keys } = serde_json::from_slice(document).map_err(BadKeys::Syntax)?;
        if keys.len() > MOST {
            return Err(BadKeys::TooMany);
        }
        let keys: Vec<_> = keys.into_iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(BadKeys::None);
        }

        let mut bytes = [0; 32];
        bytes.iter_mut().zip(digest(&SHA256, document).as_ref()).for_each(|(to, from)| *to = *from);
        Ok(Self { keys, digest: bytes })
    }

    /// Whether both were read from the same document.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// The one key that a token may be signed with. A token need not say which where there is only one.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, Denial> {
        let mut fitting =
            self.keys.iter().filter(|key| key.fits(algorithm) && (id.is_none() || key.id.as_deref() == id));

        match (fitting.next(), fitting.next(), id) {
            (Some(key), None, _) => Ok(&key.public),
            (None, _, _) => Err(Denial::UnknownKey),
            (Some(_), Some(_), _) => Err(Denial::KeyNotNamed),
        }
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let public = DecodingKey::from_jwk(&jwk).ok()?;
        let signs = jwk.common.public_key_use.is_none_or(|purpose| purpose == PublicKeyUse::Signature);
        let verifies = jwk.common.key_operations.is_none_or(|all| all.contains(&KeyOperations::Verify));
        // A secret that is published is no secret.
        let is_public = public.family() != AlgorithmFamily::Hmac;

        let algorithm =
            jwk.common.key_algorithm.map(|algorithm| algorithm.to_string().parse()).transpose().ok()?;

        (signs && verifies && is_public).then_some(Self { id: jwk.common.key_id, algorithm, public })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.public.family() == algorithm.family() && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// Why a document holds no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadKeys {
    /// There is no key in it that could be used.
    #[error("there is no key for signatures in it")]
    None,
    /// It is no set of keys.
    #[error("it is no JSON Web Key Set")]
    Syntax(#[source] serde_json::Error),
    /// There are more keys than any issuer has.
    #[error("there are more than {MOST} keys in it")]
    TooMany,
}

const MOST: usize = 100;
