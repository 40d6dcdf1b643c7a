//! What requests are signed with: got from where the configuration says, kept while it lasts, and got anew ahead of its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_async::time::SharedTimeSource;
use keyport_core::{Failure, FailureKind};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::source::Origin;

/// Credentials that are got anew before they expire, by one task at a time, which goes on for the others where whoever asked is gone.
///
/// As long as the old ones last, nobody waits for the new ones, and where these cannot be got, the old ones serve.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Origin,
    clock: SharedTimeSource,
    /// Where they are got.
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    credentials: Option<Credentials>,
    /// When the origin was last asked.
    asked: Option<SystemTime>,
    /// What comes of that; nobody sends it any more where it is over.
    coming: Option<watch::Receiver<Coming>>,
}

/// What came of asking the origin, once something did.
type Coming = Option<Result<Credentials, Failure>>;

impl Kept {
    /// To be called on the runtime where they shall be got.
    pub(super) fn new(origin: Origin, clock: SharedTimeSource) -> Self {
        Self(Arc::new(Inner { origin, clock, runtime: Handle::current(), state: Mutex::default() }))
    }

    /// The credentials; got from their origin if need be.
    pub(super) async fn current(&self) -> Result<Credentials, Failure> {
        let now = self.0.clock.now();
        let Some(serving) = self.serving() else { return self.got().await };

        if !lasts(&serving, now + AHEAD) {
            self.renew(now);
        }
        Ok(serving)
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

    /// Has new ones got while the old ones serve, unless that was tried just now.
    fn renew(&self, now: SystemTime) {
        if self.state().asked.is_none_or(|asked| asked + PAUSE <= now) {
            drop(self.ask());
        }
    }

    async fn got(&self) -> Result<Credentials, Failure> {
        let mut coming = self.ask();
        let come = coming.wait_for(Option::is_some).await.ok().and_then(|come| come.clone());

        come.unwrap_or_else(|| Err(Failure::new(FailureKind::Internal, "getting credentials was abandoned")))
    }

    /// Asks the origin, unless it was asked and has not answered.
    fn ask(&self) -> watch::Receiver<Coming> {
        let mut state = self.state();
        if let Some(coming) = state.coming.as_ref().filter(|coming| coming.has_changed().is_ok()) {
            return coming.clone();
        }

        let (done, coming) = watch::channel(None);
        state.asked = Some(self.0.clock.now());
        state.coming = Some(coming.clone());
        let kept = self.clone();
        self.0.runtime.spawn(async move {
            done.send_replace(Some(kept.asked().await));
        });
        coming
    }

    async fn asked(&self) -> Result<Credentials, Failure> {
        let late = "new AWS credentials did not come in time";
        let answer = tokio::time::timeout(PATIENCE, self.0.origin.get()).await;
        let answer = answer.unwrap_or_else(|_late| Err(Failure::new(FailureKind::Unavailable, late)));

        match &answer {
            Ok(got) => self.state().credentials = Some(got.clone()),
            Err(failure) if self.serving().is_some() => {
                tracing::warn!(%failure, "new AWS credentials cannot be got; the old ones serve until they expire");
            }
            Err(_) => (),
        }
        answer
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
/// How long an origin may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

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

    /// With an origin that answers this at once, and then nothing.
    fn kept(answers: Vec<Result<Credentials, Failure>>) -> (Kept, Clock) {
        kept_slow(Duration::ZERO, answers)
    }

    /// The same, with one that takes a while.
    fn kept_slow(pause: Duration, answers: Vec<Result<Credentials, Failure>>) -> (Kept, Clock) {
        let (origin, clock) = (Origin::Script(pause, Mutex::new(answers.into())), Clock::default());

        (Kept::new(origin, SharedTimeSource::new(clock.clone())), clock)
    }

    /// Whose turn it is when whoever gets new ones has had the time to.
    async fn name_soon(kept: &Kept) -> String {
        name(kept).await;
        tokio::task::yield_now().await;
        name(kept).await
    }

    async fn name(kept: &Kept) -> String {
        let current = tokio::time::timeout(PATIENCE * 2, kept.current()).await.expect("in time");

        current.unwrap().access_key_id().to_owned()
    }

    #[tokio::test]
    async fn they_are_got_anew_five_minutes_before_their_end() {
        let (kept, clock) = kept(vec![until("one", 1000), until("two", 2000)]);

        for (now, expected) in [(0, "one"), (699, "one"), (700, "two"), (1699, "two")] {
            clock.0.store(now, Ordering::SeqCst);
            assert_eq!(name_soon(&kept).await, expected, "{now}");
        }
    }

    #[tokio::test]
    async fn the_old_ones_serve_as_long_as_they_last_and_their_origin_is_not_pressed() {
        let (kept, clock) =
            kept(vec![until("one", 1000), refusal(), refusal(), refusal(), until("two", 2000)]);

        // At 700 and 710 the origin is asked, and in between it is left alone.
        for now in [0, 700, 705, 710, 715] {
            clock.0.store(now, Ordering::SeqCst);
            assert_eq!(name_soon(&kept).await, "one", "{now}");
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

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_silent_origin_while_the_old_ones_last() {
        let (kept, clock) = kept(vec![until("one", 1000)]);
        name(&kept).await;
        let begun = tokio::time::Instant::now();

        for now in [700, 720, 999] {
            clock.0.store(now, Ordering::SeqCst);
            assert_eq!(name_soon(&kept).await, "one", "{now}");
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);

        clock.0.store(1000, Ordering::SeqCst);
        assert_eq!(kept.current().await.unwrap_err().kind, FailureKind::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_does_not_end_what_others_wait_for() {
        let (kept, _clock) = kept_slow(Duration::from_secs(2), vec![until("one", 1000)]);

        let hurried = tokio::time::timeout(Duration::from_secs(1), kept.current()).await;
        assert!(hurried.is_err());

        assert_eq!(name(&kept).await, "one");
    }
}
