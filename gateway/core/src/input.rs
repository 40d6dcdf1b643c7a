//! What is to be signed: a digest or a message, never one taken for the other.

use std::sync::Arc;

use crate::scheme::{Hash, Scheme};
use crate::{Error, Result};

/// Already hashed. Its length fits its hash, because nothing else can be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digest {
    hash: Hash,
    bytes: Arc<[u8]>,
}

impl Digest {
    /// Pairs `bytes` with the hash that made them. `field` is what the contract calls them.
    pub fn new(field: &'static str, hash: Hash, bytes: &[u8]) -> Result<Self> {
        if bytes.len() != hash.digest_len() {
            return Err(Error::invalid(
                field,
                format!("has {} bytes, {} has {}", bytes.len(), hash.as_str(), hash.digest_len()),
            ));
        }

        Ok(Self { hash, bytes: bytes.into() })
    }

    /// Hashes `message`.
    #[must_use]
    pub fn of(hash: Hash, message: &[u8]) -> Self {
        Self { hash, bytes: aws_lc_rs::digest::digest(hash.algorithm(), message).as_ref().into() }
    }

    /// The hash that made it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The digest itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is to be signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    /// Already hashed.
    Digest(Digest),
    /// Not yet hashed.
    Message(Arc<[u8]>),
}

impl Input {
    /// How many bytes there are.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Digest(digest) => digest.bytes().len(),
            Self::Message(message) => message.len(),
        }
    }

    /// The form of this input that `scheme` signs: messages are hashed where it takes a digest.
    pub fn for_scheme(self, scheme: Scheme) -> Result<Self> {
        match (self, scheme.hash()) {
            (Self::Message(message), None) => Ok(Self::Message(message)),
            (Self::Message(message), Some(hash)) => Ok(Self::Digest(Digest::of(hash, &message))),
            (Self::Digest(digest), Some(hash)) if digest.hash() == hash => Ok(Self::Digest(digest)),
            (Self::Digest(_), Some(hash)) => {
                Err(Error::invalid("digest", format!("{scheme} signs a {} digest", hash.as_str())))
            }
            (Self::Digest(_), None) => {
                Err(Error::invalid("digest", format!("{scheme} signs a message, not a digest")))
            }
        }
    }
}
