//! What requests are signed with: got from where the configuration says, kept while it lasts, and got anew ahead of its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_async::time::SharedTimeSource;
use keyport_core::Failure;
use tokio::sync::{Mutex as Turn, MutexGuard as HasTurn};

use super::source::Origin;

/// Credentials that are got anew before they expire, by one call at a time.
///
/// Where that fails, the old ones serve as long as they last.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Origin,
    clock: SharedTimeSource,
    state: Mutex<State>,
    turn: Turn<()>,
}

#[derive(Debug, Default)]
struct State {
    credentials: Option<Credentials>,
    /// When the origin was last asked.
    asked: Option<SystemTime>,
}

impl Kept {
    pub(super) fn new(origin: Origin, clock: SharedTimeSource) -> Self {
        Self(Arc::new(Inner { origin, clock, state: Mutex::default(), turn: Turn::default() }))
    }

    /// The credentials; got from their origin if need be.
    pub(super) async fn current(&self) -> Result<Credentials, Failure> {
        let (now, kept) = (self.0.clock.now(), self.kept());
        if let Some(kept) = kept.as_ref().filter(|kept| lasts(kept, now + AHEAD)) {
            return Ok(kept.clone());
        }

        // Nobody waits for the one who gets new ones as long as the old ones last.
        match (kept.filter(|kept| lasts(kept, now)), self.0.turn.try_lock()) {
            (Some(old), Err(_taken)) => Ok(old),
            (Some(old), Ok(turn)) => Ok(self.renewed(turn, old).await),
            (None, Ok(turn)) => self.got(turn).await,
            (None, Err(_taken)) => self.got(self.0.turn.lock().await).await,
        }
    }

    /// The service did not take them: they are got anew the next time, unless they are as new as can be.
    pub(super) fn doubt(&self) {
        let now = self.0.clock.now();
        let mut state = self.state();
        if state.asked.is_none_or(|asked| asked + PAUSE <= now) {
            state.credentials = None;
        }
    }

    async fn renewed(&self, turn: HasTurn<'_, ()>, old: Credentials) -> Credentials {
        let now = self.0.clock.now();
        if self.state().asked.is_some_and(|asked| now < asked + PAUSE) {
            return old;
        }

        self.got(turn).await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "new AWS credentials cannot be got; the old ones serve until they expire");
            old
        })
    }

    /// Asks the origin, unless somebody did while this one waited for its turn.
    async fn got(&self, _turn: HasTurn<'_, ()>) -> Result<Credentials, Failure> {
        let now = self.0.clock.now();
        if let Some(kept) = self.kept().filter(|kept| lasts(kept, now + AHEAD)) {
            return Ok(kept);
        }

        self.state().asked = Some(now);
        let got = self.0.origin.get().await?;
        self.state().credentials = Some(got.clone());
        Ok(got)
    }

    fn kept(&self) -> Option<Credentials> {
        self.state().credentials.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // The failure is found again among the causes of the call's error.
        future::ProvideCredentials::new(async {
            self.current().await.map_err(CredentialsError::provider_error)
        })
    }
}

fn lasts(credentials: &Credentials, until: SystemTime) -> bool {
    credentials.expiry().is_none_or(|expiry| until < expiry)
}

/// How long before their end they are got anew.
const AHEAD: Duration = Duration::from_secs(300);
/// How long an origin is left alone that was just asked.
const PAUSE: Duration = Duration::from_secs(10);
