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

    /// Those that serve now, unless others must be got first.
    pub(super) fn serving(&self) -> Option<Credentials> {
        self.kept().filter(|kept| lasts(kept, self.0.clock.now()))
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::UNIX_EPOCH;

    use aws_smithy_async::time::TimeSource;
    use keyport_core::FailureKind;

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Clock(Arc<AtomicU64>);

    impl TimeSource for Clock {
        fn now(&self) -> SystemTime {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn until(name: &str, seconds: u64) -> Result<Credentials, Failure> {
        Ok(Credentials::new(name, "secret", None, Some(at(seconds)), "test"))
    }

    fn refusal() -> Result<Credentials, Failure> {
        Err(Failure::new(FailureKind::Credentials, "no more"))
    }

    fn kept(answers: Vec<Result<Credentials, Failure>>) -> (Kept, Clock) {
        let clock = Clock::default();

        (Kept::new(Origin::Script(Mutex::new(answers)), SharedTimeSource::new(clock.clone())), clock)
    }

    async fn name(kept: &Kept) -> String {
        kept.current().await.unwrap().access_key_id().to_owned()
    }

    #[tokio::test]
    async fn they_are_got_anew_five_minutes_before_their_end() {
        let (kept, clock) = kept(vec![until("one", 1000), until("two", 2000)]);

        for (now, expected) in [(0, "one"), (699, "one"), (700, "two"), (1699, "two")] {
            clock.0.store(now, Ordering::SeqCst);
            assert_eq!(name(&kept).await, expected, "{now}");
        }
    }

    #[tokio::test]
    async fn the_old_ones_serve_as_long_as_they_last_and_their_origin_is_not_pressed() {
        let (kept, clock) =
            kept(vec![until("one", 1000), refusal(), refusal(), refusal(), until("two", 2000)]);

        // At 700 and 710 the origin is asked, and in between it is left alone.
        for now in [0, 700, 705, 710, 715] {
            clock.0.store(now, Ordering::SeqCst);
            assert_eq!(name(&kept).await, "one", "{now}");
        }
        clock.0.store(1000, Ordering::SeqCst);
        assert_eq!(kept.current().await.unwrap_err().kind, FailureKind::Credentials);
        assert_eq!(name(&kept).await, "two");
    }

    #[tokio::test]
    async fn those_that_the_service_does_not_take_are_got_anew_but_not_at_every_call() {
        let (kept, clock) = kept(vec![until("one", 9000), until("two", 9000)]);
        assert_eq!(name(&kept).await, "one");

        kept.doubt();
        assert_eq!(name(&kept).await, "one");
        clock.0.store(10, Ordering::SeqCst);
        kept.doubt();
        assert_eq!(name(&kept).await, "two");
    }

    #[tokio::test]
    async fn whoever_comes_at_once_waits_for_the_one_who_asks() {
        let (kept, _clock) = kept(vec![until("one", 9000)]);

        let names = futures_util::future::join_all([name(&kept), name(&kept), name(&kept)]).await;

        assert_eq!(names, ["one"; 3]);
    }
}
