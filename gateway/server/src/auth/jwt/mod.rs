//! JSON Web Tokens: whose they are, by the keys of their issuers.

mod claims;
mod issuer;
mod keys;
mod seen;
mod token;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use keyport_core::outside::Outside;
use tokio::task::JoinSet;

pub(crate) use self::issuer::{Issuer, KeySource};
pub(crate) use jsonwebtoken::Algorithm;

use self::claims::Claims;
use self::issuer::{Verified, Working};
use self::seen::{Seen, SeenTokens};
use self::token::Token;
use super::{Denial, Known, TokenDigest};

/// Whom a token must be about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subject {
    /// The place of its issuer among all.
    pub(crate) issuer: usize,
    /// The claim `sub`.
    pub(crate) subject: String,
    /// Further claims that it must have: a name or a JSON pointer, and the text that must be there.
    pub(crate) claims: BTreeMap<String, String>,
}

/// Every issuer whose tokens are read.
#[derive(Debug)]
pub(super) struct Issuers {
    issuers: Vec<Arc<Working>>,
    subjects: HashMap<(usize, String), Holder>,
    seen: SeenTokens,
    outside: Outside,
    /// Ends with this.
    _fetching: JoinSet<()>,
}

impl Issuers {
    pub(super) fn new(issuers: Vec<Issuer>, subjects: Vec<(Subject, Arc<Known>)>, outside: &Outside) -> Self {
        let issuers: Vec<_> =
            issuers.into_iter().map(|issuer| Arc::new(Working::new(issuer, outside.clone()))).collect();
        let mut fetching = JoinSet::new();
        for issuer in &issuers {
            let issuer = Arc::clone(issuer);
            fetching.spawn(async move { issuer.keep_fresh().await });
        }

        Self {
            issuers,
            subjects: subjects
                .into_iter()
                .map(|(Subject { issuer, subject, claims }, known)| ((issuer, subject), (claims, known)))
                .collect(),
            seen: SeenTokens::new(SEEN),
            outside: outside.clone(),
            _fetching: fetching,
        }
    }

    /// Whether `token` could be one of theirs.
    pub(super) fn may_know(&self, token: &[u8]) -> bool {
        !self.issuers.is_empty() && Token::is_likely(token)
    }

    /// Whose token this is. `digest` is its SHA-256.
    pub(super) async fn caller(
        &self,
        token: &[u8],
        digest: TokenDigest,
        deadline: Instant,
    ) -> Result<Arc<Known>, Denial> {
        if let Some(known) = self.remembered(&digest) {
            return Ok(known);
        }

        let token = Token::read(token)?;
        let (issuer, verified) = match self.verify(&token) {
            Err(Denial::UnknownKey | Denial::KeysUnavailable) => {
                Box::pin(self.look_again(&token, deadline)).await;
                self.verify(&token)?
            }
            decided => decided?,
        };
        let Verified { claims, generation, until } = verified;
        let known = self.subject(issuer, &claims)?;
        self.seen.remember(digest, Seen { known: Arc::clone(known), issuer, generation, until });
        Ok(Arc::clone(known))
    }

    /// The caller of a token that was good before, and would be now: its key is still published.
    fn remembered(&self, digest: &TokenDigest) -> Option<Arc<Known>> {
        let seen = self.seen.get(digest, self.outside.clock.wall())?;
        let generation = self.issuers.get(seen.issuer)?.generation()?;

        (generation == seen.generation).then_some(seen.known)
    }

    /// Two clusters may well have the same name for themselves: it is the key that tells them apart.
    fn verify(&self, token: &Token<'_>) -> Result<(usize, Verified), Denial> {
        let mut denial = Denial::UnknownIssuer;
        let mut found = None;
        for (place, issuer) in self.issuers.iter().enumerate() {
            match issuer.verify(token) {
                Ok(_) if found.is_some() => return Err(Denial::Ambiguous),
                Ok(verified) => found = Some((place, verified)),
                Err(Denial::UnknownIssuer) => {}
                Err(reason @ (Denial::UnknownKey | Denial::KeysUnavailable)) => denial = reason,
                Err(reason) if denial == Denial::UnknownIssuer => denial = reason,
                Err(_) => {}
            }
        }
        found.ok_or(denial)
    }

    async fn look_again(&self, token: &Token<'_>, deadline: Instant) {
        for issuer in &self.issuers {
            if let Err(Denial::UnknownKey | Denial::KeysUnavailable) = issuer.verify(token) {
                issuer.look_again(deadline).await;
            }
        }
    }

    fn subject(&self, issuer: usize, claims: &Claims) -> Result<&Arc<Known>, Denial> {
        let subject = claims.text("sub").ok_or(Denial::Malformed)?;
        let (wanted, known) =
            self.subjects.get(&(issuer, subject.to_owned())).ok_or(Denial::UnknownSubject)?;
        if !wanted.iter().all(|(path, text)| claims.has(path, text)) {
            return Err(Denial::UnknownSubject);
        }

        Ok(known)
    }
}

/// Who a subject is, once these claims were found.
type Holder = (BTreeMap<String, String>, Arc<Known>);

/// How many good tokens are remembered: some 200 bytes each.
const SEEN: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
