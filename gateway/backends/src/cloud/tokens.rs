//! Access tokens that are exchanged ahead of their end: one exchange at a time, and one that fails keeps the old token
//! while it lasts.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use reqwest::header::HeaderValue;
use tokio::runtime::Handle;

/// Where access tokens come from.
#[async_trait]
pub(crate) trait Issuer: Debug + Send + Sync {
    /// A new one.
    async fn fetch(&self) -> Result<Token, Failure>;

    /// Where it is fetched: what signs for it needs more than a guest's small stack.
    fn runtime(&self) -> &Handle;
}

/// The access token that is used now, and where the next one comes from.
#[derive(Debug)]
pub(crate) struct Tokens(Arc<Store>);

#[derive(Debug)]
struct Store {
    issuer: Box<dyn Issuer>,
    current: Mutex<Option<Token>>,
    /// Held by whoever fetches the next one.
    fetching: tokio::sync::Mutex<()>,
}

/// An access token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    secret: Secret,
    fetched: Instant,
    /// When it is time for the next one.
    refresh: Instant,
    expires: Instant,
}

impl Tokens {
    /// Those of `issuer`.
    pub(crate) fn of(issuer: Box<dyn Issuer>) -> Self {
        let (current, fetching) = (Mutex::default(), tokio::sync::Mutex::default());

        Self(Arc::new(Store { issuer, current, fetching }))
    }

    /// A token that is taken now. Ahead of its expiry the next one is fetched aside, and one that cannot be had yet keeps nobody
    /// waiting.
    pub(crate) async fn token(&self) -> Result<Token, Failure> {
        let (current, now) = (self.0.current().clone(), now());
        match current {
            Some(token) if now < token.refresh => Ok(token),
            Some(token) if now < token.expires => {
                self.refresh_aside();
                Ok(token)
            }
            Some(_) | None => self.fetched().await,
        }
    }

    /// The service did not take this token. Whether the next one may do better: it was not fetched just now.
    pub(crate) fn was_refused(&self, token: &Token) -> bool {
        let mut current = self.0.current();
        if current.as_ref().is_some_and(|current| current.secret == token.secret) {
            *current = None;
        }

        now().saturating_duration_since(token.fetched) > JUST_NOW
    }

    /// The next one. It is fetched on for the others where whoever asked is gone.
    async fn fetched(&self) -> Result<Token, Failure> {
        let store = Arc::clone(&self.0);
        let fetched = self.0.issuer.runtime().spawn(async move { store.fetched().await }).await;

        fetched.unwrap_or_else(|broken| Err(Failure::new(FailureKind::Internal, broken.to_string())))
    }

    fn refresh_aside(&self) {
        let store = Arc::clone(&self.0);
        self.0.issuer.runtime().spawn(async move {
            if let Ok(_alone) = store.fetching.try_lock() {
                store.refresh().await;
            }
        });
    }
}

impl Token {
    /// One that lives so long from now on; `None` where it is none.
    pub(crate) fn living(secret: &str, life: Duration) -> Option<Self> {
        if secret.is_empty() || HeaderValue::from_str(secret).is_err() {
            return None;
        }
        let (life, now) = (life.min(AGES), now());
        // A metadata server hands out the same token until shortly before its end.
        let refresh = now + life.saturating_sub(AHEAD).max(AGAIN);
        let secret = Secret::new(secret.as_bytes().to_vec());

        Some(Self { secret, fetched: now, refresh, expires: now + life })
    }

    /// The field `Authorization` that carries it.
    pub(crate) fn header(&self) -> HeaderValue {
        let bytes = [b"Bearer ".as_slice(), self.secret.expose()].concat();
        let mut value = HeaderValue::from_bytes(&bytes).unwrap_or_else(|_never| HeaderValue::from_static(""));
        value.set_sensitive(true);

        value
    }
}

impl Store {
    /// A new token, or the one that somebody else fetched meanwhile.
    async fn fetched(&self) -> Result<Token, Failure> {
        let _alone = self.fetching.lock().await;
        if let Some(token) = self.current().clone().filter(|token| now() < token.expires) {
            return Ok(token);
        }

        let token = self.next().await?;
        *self.current() = Some(token.clone());
        Ok(token)
    }

    async fn next(&self) -> Result<Token, Failure> {
        let fetched = tokio::time::timeout(PATIENCE, self.issuer.fetch()).await;

        fetched.unwrap_or_else(|_late| {
            Err(Failure::new(FailureKind::Unavailable, "the next access token did not come in time"))
        })
    }

    /// Fetches the next token while this one still does. Failing that, it goes on doing, and the next try is a while off.
    async fn refresh(&self) {
        let fetched = self.next().await;

        let mut current = self.current();
        match fetched {
            Ok(token) => *current = Some(token),
            Err(failure) => {
                tracing::warn!(%failure, "the next access token could not be had yet");
                if let Some(token) = current.as_mut() {
                    token.refresh = now() + AGAIN;
                }
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Token>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// As good as without an end, and far from the end of any clock.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long before its end a token is exchanged.
const AHEAD: Duration = Duration::from_secs(225);
/// How long after a try the next one is.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a token is so new that another would be no better.
const JUST_NOW: Duration = Duration::from_millis(100);
/// How long the next token may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_told_of_a_token_it_is_exchanged_before_its_end(secret in "\\PC{0,9}", seconds in any::<u64>()) {
            let Some(token) = Token::living(&secret, Duration::from_secs(seconds)) else {
                prop_assert!(HeaderValue::from_str(&secret).is_err() || secret.is_empty());
                return Ok(());
            };

            let header = token.header();
            prop_assert_eq!(header.as_bytes().strip_prefix(b"Bearer "), Some(secret.as_bytes()));
            prop_assert!(token.refresh < token.expires || seconds <= AGAIN.as_secs());
        }
    }

    #[test]
    fn a_token_for_longer_than_any_clock_goes_is_one_for_ages() {
        let token = Token::living("t", Duration::from_secs(u64::MAX)).unwrap();

        assert_eq!(token.expires - token.fetched, AGES);
    }
}
