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
    issuers: Vec<Arc<Fetching>>,
    subjects: HashMap<(usize, String), Holder>,
    seen: SeenTokens,
    outside: Outside,
}

impl Issuers {
    /// Those in `issuers`, and who the subjects of their tokens are. An issuer that was `before`, and is the same, has
    /// its keys at once. Must be called in a runtime.
    pub(super) fn new(
        issuers: Vec<Issuer>,
        subjects: Vec<(Subject, Arc<Known>)>,
        before: Option<&Self>,
        outside: &Outside,
    ) -> Self {
        let of_before = |settings: &Issuer| {
            before?.issuers.iter().find(|issuer| issuer.working.is(settings)).map(Arc::clone)
        };
        let issuers = issuers.into_iter().map(|settings| {
            of_before(&settings)
                .unwrap_or_else(|| Arc::new(Fetching::start(Working::new(settings, outside.clone()))))
        });
        let subjects = subjects.into_iter();

        Self {
            issuers: issuers.collect(),
            subjects: subjects
                .map(|(Subject { issuer, subject, claims }, known)| ((issuer, subject), (claims, known)))
                .collect(),
            seen: SeenTokens::new(SEEN),
            outside: outside.clone(),
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
        let generation = self.issuers.get(seen.issuer)?.working.generation()?;

        (generation == seen.generation).then_some(seen.known)
    }

    /// Two clusters may well have the same name for themselves: it is the key that tells them apart.
    fn verify(&self, token: &Token<'_>) -> Result<(usize, Verified), Denial> {
        let mut denial = Denial::UnknownIssuer;
        let mut found = None;
        for (place, issuer) in self.issuers.iter().enumerate() {
            match issuer.working.verify(token) {
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
        for Fetching { working, .. } in self.issuers.iter().map(AsRef::as_ref) {
            if let Err(Denial::UnknownKey | Denial::KeysUnavailable) = working.verify(token) {
                working.look_again(deadline).await;
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

/// An issuer whose keys are kept fresh, for as long as anybody uses it.
#[derive(Debug)]
struct Fetching {
    working: Arc<Working>,
    _task: JoinSet<()>,
}

impl Fetching {
    fn start(working: Working) -> Self {
        let (working, mut task) = (Arc::new(working), JoinSet::new());
        let kept = Arc::clone(&working);
        task.spawn(async move { kept.keep_fresh().await });

        Self { working, _task: task }
    }
}

/// Who a subject is, once these claims were found.
type Holder = (BTreeMap<String, String>, Arc<Known>);

/// How many good tokens are remembered: some 200 bytes each.
const SEEN: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Reads a token as far as it can be read without a key.
#[cfg(fuzzing)]
pub(super) fn fuzz(token: &[u8]) {
    drop(Token::read(token));
}
