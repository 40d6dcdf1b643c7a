//! Access tokens that are exchanged ahead of their end: one exchange at a time, whose outcome is everybody's, and one that
//! fails keeps the old token while it lasts.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use reqwest::header::HeaderValue;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Setback;

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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Token>,
    /// Where the next one will be, if it is being fetched.
    coming: Option<Coming>,
    /// Since the credentials were refused, and no token was left.
    setback: Option<Setback>,
    /// Since the service refused a token that was as new as can be, and none after it was taken.
    refused: Option<Setback>,
}

impl State {
    /// Why nobody asks for a token now.
    fn setback(&self) -> Option<Failure> {
        [&self.setback, &self.refused].into_iter().flatten().find_map(Setback::lasts)
    }
}

type Coming = watch::Receiver<Option<Outcome>>;
type Outcome = Result<Token, Failure>;

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
        Self(Arc::new(Store { issuer, state: Mutex::default() }))
    }

    /// A token that is taken now. Ahead of its expiry the next one is fetched aside, and one that cannot be had yet keeps nobody
    /// waiting. Credentials that were refused a moment ago are not shown again.
    pub(crate) async fn token(&self) -> Result<Token, Failure> {
        let mut coming = match self.0.next() {
            Next::Known(outcome) => return outcome,
            Next::Comes(coming) => coming,
        };

        let told = coming.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        told.unwrap_or_else(|| {
            Err(Failure::new(FailureKind::Internal, "the next access token was not fetched"))
        })
    }

    /// The service did not take this token, and `why`. Whether the next one may do better: it was not fetched just now.
    pub(crate) fn was_refused(&self, token: &Token, why: &Failure) -> bool {
        let is_new = now().saturating_duration_since(token.fetched) <= JUST_NOW;
        self.0.drop_token(token, is_new.then_some(why));

        !is_new
    }

    /// Nor did it take this one, which was fetched in the place of another: for a while nobody fetches the next.
    pub(crate) fn was_refused_too(&self, token: &Token, why: &Failure) {
        self.0.drop_token(token, Some(why));
    }

    /// The service took a token.
    pub(crate) fn was_taken(&self) {
        self.0.state().refused = None;
    }
}

/// What there is for who wants a token.
enum Next {
    Known(Outcome),
    Comes(Coming),
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
    /// The token, if there is one that is taken, and otherwise where the next one will be.
    fn next(self: &Arc<Self>) -> Next {
        let (mut state, now) = (self.state(), now());
        match state.current.clone().filter(|token| now < token.expires) {
            Some(token) => {
                if token.refresh <= now {
                    self.coming(&mut state);
                }
                Next::Known(Ok(token))
            }
            None => match state.setback() {
                Some(failure) => Next::Known(Err(failure)),
                None => Next::Comes(self.coming(&mut state)),
            },
        }
    }

    /// Has nobody use a token any more; where it was refused as new as it is, the next one is a while off. Who comes later with the
    /// same token has nothing to add.
    fn drop_token(&self, token: &Token, why: Option<&Failure>) {
        let mut state = self.state();
        if state.current.as_ref().is_none_or(|current| current.secret != token.secret) {
            return;
        }

        state.current = None;
        if let Some(why) = why {
            state.refused = Some(Setback::after(state.refused.take(), why));
        }
    }

    /// Where the next token will be, which is fetched from now on if it is not already: on for the others, where whoever asked
    /// is gone.
    fn coming(self: &Arc<Self>, state: &mut State) -> Coming {
        // One that nobody will tell was lost with its task.
        if let Some(coming) = state.coming.clone().filter(|coming| coming.has_changed().is_ok()) {
            return coming;
        }

        let (tell, coming) = watch::channel(None);
        state.coming = Some(coming.clone());
        let store = Arc::clone(self);
        self.issuer.runtime().spawn(async move {
            let outcome = store.fetched().await;
            store.note(&outcome);
            tell.send_replace(Some(outcome));
        });

        coming
    }

    async fn fetched(&self) -> Outcome {
        let fetched = tokio::time::timeout(PATIENCE, self.issuer.fetch()).await;

        fetched.unwrap_or_else(|_late| {
            Err(Failure::new(FailureKind::Unavailable, "the next access token did not come in time"))
        })
    }

    /// What becomes of the tokens. Where the next one could not be had, the old one goes on doing, and the next try is a while
    /// off.
    fn note(&self, outcome: &Outcome) {
        let (mut state, now) = (self.state(), now());
        state.coming = None;
        let failure = match outcome {
            Ok(token) => {
                state.current = Some(token.clone());
                state.setback = None;
                return;
            }
            Err(failure) => failure,
        };

        if let Some(token) = state.current.as_mut().filter(|token| now < token.expires) {
            tracing::warn!(%failure, "the next access token could not be had yet");
            token.refresh = now + AGAIN;
        } else if failure.kind == FailureKind::Credentials {
            state.setback = Some(Setback::after(state.setback.take(), failure));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
