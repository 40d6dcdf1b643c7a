//! Who the gateway is at Google: access tokens, from wherever the credentials say.
//!
//! Google's own crate for this, google-cloud-auth, brings clients of HTTP of its own, which take no authorities and no proxy
//! but the environment's, and ends for good with the first credential that is refused: a key file that is exchanged after that would need
//! a restart. What it does on the wire is little, and here.

mod file;
mod jwt;
mod source;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keyport_core::outside::{Clock, Timestamp};
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use reqwest::header::HeaderValue;

pub(super) use source::Source;

use crate::secret_file::SecretFileError;

/// The access token that is used now, and where the next one comes from.
#[derive(Debug)]
pub(super) struct Tokens(Arc<Store>);

#[derive(Debug)]
struct Store {
    source: Source,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Token>>,
    /// Held by whoever fetches the next one.
    fetching: tokio::sync::Mutex<()>,
}

/// An access token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    secret: Secret,
    fetched: Instant,
    /// When it is time for the next one.
    refresh: Instant,
    expires: Instant,
}

impl Tokens {
    /// Those of `source`.
    pub(super) fn of(source: Source, clock: Arc<dyn Clock>) -> Self {
        let (current, fetching) = (Mutex::default(), tokio::sync::Mutex::default());

        Self(Arc::new(Store { source, clock, current, fetching }))
    }

    /// A token that is taken now. Ahead of its expiry the next one is fetched aside, and one that cannot be had yet keeps nobody
    /// waiting.
    pub(super) async fn token(&self) -> Result<Token, Failure> {
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
    pub(super) fn was_refused(&self, token: &Token) -> bool {
        let mut current = self.0.current();
        if current.as_ref().is_some_and(|current| current.secret == token.secret) {
            *current = None;
        }

        now().saturating_duration_since(token.fetched) > JUST_NOW
    }

    /// What this machine's clock says.
    pub(super) fn wall(&self) -> Timestamp {
        self.0.clock.wall()
    }

    /// The next one, fetched where exchanges run: what signs for it needs more than a guest's small stack. It goes on for the
    /// others where whoever asked is gone.
    async fn fetched(&self) -> Result<Token, Failure> {
        let store = Arc::clone(&self.0);
        let fetched = self.0.source.runtime().spawn(async move { store.fetched().await }).await;

        fetched.unwrap_or_else(|broken| Err(Failure::new(FailureKind::Internal, broken.to_string())))
    }

    fn refresh_aside(&self) {
        let store = Arc::clone(&self.0);
        self.0.source.runtime().spawn(async move {
            if let Ok(_alone) = store.fetching.try_lock() {
                store.refresh().await;
            }
        });
    }
}

impl Token {
    /// The field `Authorization` that carries it.
    pub(super) fn header(&self) -> HeaderValue {
        let bytes = [b"Bearer ".as_slice(), self.secret.expose()].concat();
        let mut value = HeaderValue::from_bytes(&bytes).unwrap_or_else(|_never| HeaderValue::from_static(""));
        value.set_sensitive(true);

        value
    }

    /// One that lives so long from now on.
    fn living(secret: &str, life: Duration) -> Result<Self, Failure> {
        if secret.is_empty() || HeaderValue::from_str(secret).is_err() {
            return Err(refused("the answer holds no access token"));
        }
        let now = now();
        // A metadata server hands out the same token until shortly before its end.
        let refresh = now + life.saturating_sub(AHEAD).max(AGAIN);

        Ok(Self {
            secret: Secret::new(secret.as_bytes().to_vec()),
            fetched: now,
            refresh,
            expires: now + life,
        })
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
        let fetched = tokio::time::timeout(PATIENCE, self.source.fetch(&*self.clock)).await;

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
                tracing::warn!(%failure, "the next access token for Google could not be had yet");
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

/// Why credentials do not do.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Of a kind that is not taken.
    #[error("the credentials in {file} are {kind}, which is not taken: {mend}")]
    Kind {
        /// Which file.
        file: PathBuf,
        /// What they are.
        kind: &'static str,
        /// What to use instead.
        mend: &'static str,
    },
    /// The file is not one of Google's.
    #[error("{file} holds no credentials of Google's: {cause}")]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it, and nothing of what is in it.
        cause: String,
    },
    /// The metadata server has no such name.
    #[error("`{0}` is no host of a metadata server")]
    Metadata(String),
    /// The file cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
}

/// Credentials that were not taken.
fn refused(message: impl Into<String>) -> Failure {
    Failure { code: UNAUTHENTICATED, ..Failure::new(FailureKind::Credentials, message) }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How long before its end a token is exchanged.
const AHEAD: Duration = Duration::from_secs(225);
/// How long after a try the next one is.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a token is so new that another would be no better.
const JUST_NOW: Duration = Duration::from_millis(100);
/// How long the next token may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Google's code, as `google.rpc.Code` has it.
const UNAUTHENTICATED: u32 = 16;
