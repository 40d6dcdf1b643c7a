//! Tokens that were found good before, so that their signatures need not be verified again.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use keyport_core::outside::Timestamp;
use lru::LruCache;

use super::super::{Known, TokenDigest};
use super::issuer::Generation;

/// As many of them as fit, the latest used.
#[derive(Debug)]
pub(super) struct SeenTokens(Mutex<LruCache<TokenDigest, Seen>>);

/// What was found out about a token.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Whose it is.
    pub(super) known: Arc<Known>,
    /// Which issuer's, by its place.
    pub(super) issuer: usize,
    /// By which of its sets of keys.
    pub(super) generation: Generation,
    /// When the token expires.
    pub(super) until: Timestamp,
}

impl SeenTokens {
    /// None yet, and room for so many.
    pub(super) fn new(room: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(room)))
    }

    /// What is known of a token that has not expired `now`.
    pub(super) fn get(&self, token: &TokenDigest, now: Timestamp) -> Option<Seen> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.get(token)?;
        if now < seen.until {
            return Some(seen.clone());
        }

        all.pop(token);
        None
    }

    /// Remembers a token.
    pub(super) fn remember(&self, token: TokenDigest, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(token, seen);
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
