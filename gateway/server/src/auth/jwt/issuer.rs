//! One issuer of tokens: its keys, fetched in the background, and what its tokens must say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{Algorithm, Validation, decode};
use keyport_core::outside::{Outside, Timestamp};
use serde::Deserialize;
use tokio::sync::{Notify, watch};

use super::super::Denial;
use super::super::fetch::{FetchError, Remote};
use super::claims::Claims;
use super::keys::{BadKeys, KeySet};
use super::token::Token;

/// One issuer, as it is configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Issuer {
    /// What the configuration calls it.
    pub(crate) name: String,
    /// The claim `iss`. Without it, a cluster is asked for its own.
    pub(crate) issuer: Option<String>,
    /// One of these must be in the claim `aud`.
    pub(crate) audiences: Vec<String>,
    /// How it may sign.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub(crate) keys: KeySource,
    /// How far apart its clock and ours may be.
    pub(crate) leeway: Duration,
    /// How often its keys are fetched.
    pub(crate) refresh: Duration,
    /// How long after one attempt to fetch them the next may begin.
    pub(crate) pause: Duration,
    /// For how long they are good while they cannot be fetched.
    pub(crate) stale: Duration,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeySource {
    /// In a file, read again now and then.
    File(PathBuf),
    /// At the API server of a Kubernetes cluster.
    Kubernetes(Remote),
    /// At a URL.
    Url(Remote),
}

impl Issuer {
    /// Whether the files it refers to are there, and right. Nothing is fetched.
    pub(crate) fn check(&self) -> Result<(), BadIssuer> {
        match &self.keys {
            KeySource::File(file) => read(file).and_then(|document| Ok(KeySet::parse(&document)?)).map(drop),
            KeySource::Kubernetes(remote) | KeySource::Url(remote) => {
                remote.check().map_err(LoadError::Fetch)
            }
        }
        .map_err(|cause| BadIssuer { issuer: self.name.clone(), cause })
    }

    async fn load(&self, outside: &Outside) -> Result<(String, KeySet), LoadError> {
        let known = || self.issuer.clone().ok_or(LoadError::NoIssuer);

        match &self.keys {
            KeySource::File(file) => Ok((known()?, KeySet::parse(&read(file)?)?)),
            KeySource::Url(remote) => Ok((known()?, KeySet::parse(&remote.get(outside).await?)?)),
            KeySource::Kubernetes(remote) => {
                let discovered = remote.get_at(DISCOVERY, outside).await?;
                let Discovered { issuer } =
                    serde_json::from_slice(&discovered).map_err(LoadError::BadDiscovery)?;
                if self.issuer.as_ref().is_some_and(|known| *known != issuer) {
                    return Err(LoadError::AnotherIssuer { issuer });
                }
                // Not where the document says the keys are: that may be an address that only the outside can reach,
                // and our token goes to nobody else.
                Ok((issuer, KeySet::parse(&remote.get_at(CLUSTER_KEYS, outside).await?)?))
            }
        }
    }
}

/// An issuer at work.
#[derive(Debug)]
pub(super) struct Working {
    settings: Issuer,
    current: ArcSwapOption<Current>,
    attempts: watch::Sender<Attempt>,
    wanted: Notify,
    outside: Outside,
}

/// Which set of an issuer's keys, counted up whenever it changes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Generation(u64);

#[derive(Debug)]
struct Current {
    issuer: String,
    keys: Arc<KeySet>,
    generation: Generation,
    fetched: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    begun: Option<Instant>,
    running: bool,
    /// How many are over.
    over: u64,
}

/// What a token was found to say.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) claims: Claims,
    pub(super) generation: Generation,
    pub(super) until: Timestamp,
}

impl Working {
    pub(super) fn new(settings: Issuer, outside: Outside) -> Self {
        Self {
            settings,
            current: ArcSwapOption::empty(),
            attempts: watch::Sender::default(),
            wanted: Notify::new(),
            outside,
        }
    }

    /// Whether it works by `settings`.
    pub(super) fn is(&self, settings: &Issuer) -> bool {
        self.settings == *settings
    }

    /// Which keys are in use; `None` while they are not known, or for too long.
    pub(super) fn generation(&self) -> Option<Generation> {
        self.usable().map(|current| current.generation)
    }

    /// What `token` says, if it is this issuer's, for us, and in its time.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<Verified, Denial> {
        if self.settings.issuer.as_ref().is_some_and(|issuer| *issuer != token.issuer) {
            return Err(Denial::UnknownIssuer);
        }
        let current = self.usable().ok_or(Denial::KeysUnavailable)?;
        if current.issuer != token.issuer {
            return Err(Denial::UnknownIssuer);
        }
        if !self.settings.algorithms.contains(&token.algorithm) {
            return Err(Denial::WrongAlgorithm);
        }
        let key = current.keys.find(token.key_id.as_deref(), token.algorithm)?;

        let claims = decode(token.bytes, key, &signature_only(token.algorithm))
            .map(|token| Claims(token.claims))
            .map_err(|_reason| Denial::BadSignature)?;
        if claims.text("iss") != Some(&current.issuer) {
            return Err(Denial::UnknownIssuer);
        }
        if !self.settings.audiences.iter().any(|audience| claims.has("aud", audience)) {
            return Err(Denial::WrongAudience);
        }
        let until = claims.valid(self.outside.clock.wall(), self.settings.leeway)?;
        Ok(Verified { claims, generation: current.generation, until })
    }

    /// Has the keys fetched because a token names one that is not there, unless that was tried a moment ago; waits
    /// for it, not beyond `deadline`.
    pub(super) async fn look_again(&self, deadline: Instant) {
        let now = self.outside.clock.now();
        let mut attempts = self.attempts.subscribe();
        let last = *attempts.borrow_and_update();
        let is_recent = last.begun.is_some_and(|begun| now < begun + self.settings.pause);
        if is_recent && !last.running {
            return;
        }

        if !last.running {
            self.wanted.notify_one();
        }
        let done = attempts.wait_for(|attempt| attempt.over > last.over);
        drop(self.outside.within(deadline.min(now + LONGEST_WAIT), done).await);
    }

    /// Keeps the keys fresh, for as long as it is polled.
    pub(super) async fn keep_fresh(&self) {
        loop {
            let begun = self.outside.clock.now();
            self.attempts.send_modify(|attempt| {
                attempt.begun = Some(begun);
                attempt.running = true;
            });
            let is_fresh = self.fetch().await;
            self.attempts.send_modify(|attempt| {
                attempt.running = false;
                attempt.over += 1;
            });

            let Issuer { refresh, pause, .. } = self.settings;
            let next = if is_fresh { refresh.max(pause) } else { pause };
            tokio::select! {
                () = self.outside.clock.sleep_until(begun + next) => {}
                () = self.wanted.notified() => {}
            }
            // However many ask: one attempt in so much time.
            self.outside.clock.sleep_until(begun + pause).await;
        }
    }

    async fn fetch(&self) -> bool {
        let before = self.current.load_full();
        match self.settings.load(&self.outside).await {
            Ok((issuer, keys)) => {
                self.current.store(Some(Arc::new(self.next(before.as_deref(), issuer, keys))));
                true
            }
            Err(error) => {
                let name = &self.settings.name;
                let error = anyhow::Error::from(error);
                match self.usable() {
                    Some(_) => tracing::warn!("issuer `{name}`: its keys stay as they were: {error:#}"),
                    None => tracing::error!("issuer `{name}`: its keys are not known: {error:#}"),
                }
                false
            }
        }
    }

    fn next(&self, before: Option<&Current>, issuer: String, keys: KeySet) -> Current {
        let same = before.filter(|before| before.issuer == issuer && before.keys.is_same(&keys));
        let Generation(last) = before.map(|before| before.generation).unwrap_or_default();
        if same.is_none() {
            tracing::info!("issuer `{}`: its keys are known", self.settings.name);
        }

        Current {
            issuer,
            keys: same.map_or_else(|| Arc::new(keys), |same| Arc::clone(&same.keys)),
            generation: same.map_or(Generation(last + 1), |same| same.generation),
            fetched: self.outside.clock.now(),
        }
    }

    fn usable(&self) -> Option<Arc<Current>> {
        let current = self.current.load_full()?;
        let age = self.outside.clock.now().saturating_duration_since(current.fetched);

        (age <= self.settings.stale).then_some(current)
    }
}

/// Only the signature is left to the library: it would take the time from the machine and not from the clock.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn read(file: &PathBuf) -> Result<Vec<u8>, LoadError> {
    std::fs::read(file).map_err(|cause| LoadError::File { file: file.clone(), cause })
}

/// What a cluster says of itself (OpenID Connect Discovery, section 4.2).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
}

/// An issuer refers to something that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("issuer `{issuer}`")]
pub(crate) struct BadIssuer {
    issuer: String,
    #[source]
    cause: LoadError,
}

/// Why an issuer's keys are not known.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    /// The cluster is another one than was expected.
    #[error("it calls itself {issuer}, and not what `issuer` says")]
    AnotherIssuer {
        /// What it calls itself.
        issuer: String,
    },
    /// The cluster does not say who it is.
    #[error("its discovery document cannot be read")]
    BadDiscovery(#[source] serde_json::Error),
    /// What was read are no keys.
    #[error("its keys cannot be used")]
    BadKeys(#[from] BadKeys),
    /// They could not be fetched.
    #[error("its keys cannot be fetched")]
    Fetch(#[from] FetchError),
    /// They could not be read.
    #[error("cannot read {file}")]
    File {
        /// From which file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Nothing says what it calls itself.
    #[error("it has no name")]
    NoIssuer,
}

/// For new keys, a request waits no longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const DISCOVERY: &str = "/.well-known/openid-configuration";
const CLUSTER_KEYS: &str = "/openid/v1/jwks";
