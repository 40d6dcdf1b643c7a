//! The way to one account of a key management service.

use std::time::{Duration, Instant};

use keyport_core::{Failure, FailureKind};

use super::breaker::{Breaker, LeftAlone};
use super::bucket::{Bucket, Rates};
use super::call::{Call, Class, Retry};
use crate::random::fraction;

/// Every call to an account's service goes through its gate.
///
/// A call waits for its turn within its deadline, and is refused as throttled if that comes too late; calls of one class never wait
/// for those of another. It ends by its deadline. Where it is safe, it is made again: after any failure that may pass if the
/// call changes nothing, and after a refusal because of too many calls in any case, as then nothing was done.
///
/// A turn leaves some time for the answer, or the last of a long queue would all be given up just before they are answered, and
/// a service that is well would be left alone because of that.
#[derive(Debug)]
pub(crate) struct Gate {
    sign: Bucket,
    read: Bucket,
    manage: Bucket,
    breaker: Breaker,
}

impl Gate {
    /// A gate that lets through so many calls.
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            sign: Bucket::new(rates.sign),
            read: Bucket::new(rates.read),
            manage: Bucket::new(rates.manage),
            breaker: Breaker::default(),
        }
    }

    /// Makes a call; each future that `attempt` returns is one try of it.
    pub(crate) async fn call<T, F>(&self, call: Call, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (came, mut tries, mut met) = (now(), 0, None);
        loop {
            tries += 1;
            self.admit(call).await?;
            let failure = match self.attempted(call, came, attempt()).await {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(failure)) => failure,
                // What a try before this one met says more than that there was too little time for another.
                None => return Err(met.unwrap_or_else(|| Failure::new(FailureKind::Unavailable, SILENT))),
            };

            let wait = failure.retry_after.unwrap_or_else(|| delay(tries));
            let is_left = wait < call.deadline.saturating_duration_since(now());
            if tries >= TRIES || !is_left || !may_pass(&failure, call.retry) {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            met = Some(failure).filter(|failure| failure.kind == FailureKind::Unavailable);
        }
    }

    /// Waits for a call's turn. Nobody waits until a service that is left alone is asked again: there may be a replica of it.
    async fn admit(&self, call: Call) -> Result<(), Failure> {
        let came = now();
        if came >= call.deadline {
            return Err(Failure::new(FailureKind::Unavailable, LATE));
        }
        self.breaker.check(came).map_err(left_alone)?;
        let turn = self.bucket(call.class).turn(came, latest(came, call.deadline)).map_err(too_many)?;
        // A timer wakes nobody before its next millisecond, not even for a time that is past.
        if turn > came {
            tokio::time::sleep_until(turn.into()).await;
        }

        self.breaker.admit(now()).map_err(left_alone)
    }

    /// What came of a try; `None` where nothing did by the deadline.
    async fn attempted<T>(
        &self,
        call: Call,
        came: Instant,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Option<Result<T, Failure>> {
        let began = now();
        let Ok(outcome) = tokio::time::timeout_at(call.deadline.into(), attempt).await else {
            // What is left to one that waited long is no time in which every service answers. The price: a service that dies while
            // everybody waits that long is found out by those alone who come when the queue is shorter.
            if call.deadline.saturating_duration_since(began) >= began.saturating_duration_since(came) {
                self.breaker.failed(now(), SILENT);
            }
            return None;
        };
        match &outcome {
            Err(failure) if failure.kind == FailureKind::Unavailable => {
                self.breaker.failed(now(), &failure.message);
            }
            Err(failure) if failure.kind == FailureKind::Throttled => {
                self.breaker.answered();
                // It may count calls otherwise than this gateway does, or serve others besides.
                self.bucket(call.class).pause(now(), failure.retry_after.unwrap_or(PAUSE));
            }
            Ok(_) | Err(_) => self.breaker.answered(),
        }
        Some(outcome)
    }

    fn bucket(&self, class: Class) -> &Bucket {
        match class {
            Class::Sign => &self.sign,
            Class::Read => &self.read,
            Class::Manage => &self.manage,
        }
    }
}

/// Whether the same call may succeed if it is made again, and can be.
fn may_pass(failure: &Failure, retry: Retry) -> bool {
    failure.kind == FailureKind::Throttled || failure.kind == FailureKind::Unavailable && retry == Retry::Safe
}

/// The latest turn of a call that comes now: after it, a quarter of the time is left for the answer, or a second.
fn latest(now: Instant, deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);

    deadline - (left / 4).min(MOST_FOR_ANSWER)
}

/// How long to wait after so many tries: up to twice as long each time, at random, so that what failed together does not
/// come back together.
fn delay(tries: u32) -> Duration {
    FIRST_DELAY.saturating_mul(1 << tries.min(8)).mul_f64(fraction())
}

fn too_many(wait: Duration) -> Failure {
    let message =
        "there are more calls to the service than its quota allows, and this one's turn comes too late";

    Failure { retry_after: Some(wait), ..Failure::new(FailureKind::Throttled, message) }
}

fn left_alone(LeftAlone { wait, met }: LeftAlone) -> Failure {
    let message = format!("{met}; after several calls without an answer, none is made for a moment");

    Failure { retry_after: Some(wait), ..Failure::new(FailureKind::Unavailable, message) }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Tries of one call.
const TRIES: u32 = 4;
/// Half of the longest wait after the first try.
const FIRST_DELAY: Duration = Duration::from_millis(25);
/// What a turn leaves for the answer, of a long deadline.
const MOST_FOR_ANSWER: Duration = Duration::from_secs(1);
const SILENT: &str = "the service did not answer in time";
const LATE: &str = "there was no time left to ask the service";
/// How long a service is left alone that refused a call as one too many and did not say for how long.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;

    use super::*;
    use crate::cloud::Rate;

    fn soon() -> Instant {
        now() + Duration::from_secs(10)
    }

    fn failing(kind: FailureKind) -> impl Fn() -> std::future::Ready<Result<(), Failure>> {
        move || std::future::ready(Err(Failure::new(kind, "so it is")))
    }

    /// How often a call is tried that fails so.
    async fn tries(gate: &Gate, call: Call, kind: FailureKind) -> u32 {
        let count = Cell::new(0);
        let fail = failing(kind);
        let failure = gate.call(call, || {
            count.set(count.get() + 1);
            fail()
        });

        assert_eq!(failure.await.unwrap_err().kind, kind);
        count.get()
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_where_that_is_safe() {
        let gate = || Gate::new(Rates::default());

        assert_eq!(tries(&gate(), Call::sign(soon()), FailureKind::Unavailable).await, TRIES);
        assert_eq!(tries(&gate(), Call::manage(Retry::Safe, soon()), FailureKind::Unavailable).await, TRIES);
        assert_eq!(tries(&gate(), Call::manage(Retry::Never, soon()), FailureKind::Unavailable).await, 1);
        assert_eq!(tries(&gate(), Call::manage(Retry::Never, soon()), FailureKind::Throttled).await, TRIES);
        let passes = |kind: &FailureKind| matches!(kind, FailureKind::Unavailable | FailureKind::Throttled);
        for kind in FailureKind::ALL.into_iter().filter(|kind| !passes(kind)) {
            assert_eq!(tries(&gate(), Call::sign(soon()), kind).await, 1, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_call_whose_turn_it_is_waits_for_no_timer() {
        let gate = Gate::new(Rates::default());
        let call = gate.call(Call::sign(soon()), || std::future::ready(Ok(())));

        assert!(call.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_ends_by_its_deadline() {
        let (gate, began) = (Gate::new(Rates::default()), now());
        let hangs = gate.call(Call::sign(soon()), std::future::pending::<Result<(), Failure>>);

        assert_eq!(hangs.await.unwrap_err().kind, FailureKind::Unavailable);
        assert_eq!(now() - began, Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_comes_after_its_deadline_is_not_said_to_be_one_too_many() {
        let gate = Gate::new(Rates::default());

        let late = gate.call(Call::read(now()), failing(FailureKind::Internal)).await;

        assert_eq!(late.unwrap_err().kind, FailureKind::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_failed_before_it_hangs_says_why() {
        let (gate, tries) = (Gate::new(Rates::default()), Cell::new(0));

        let failure = gate.call(Call::sign(soon()), || fails_and_then_hangs(&tries)).await.unwrap_err();

        assert_eq!((&*failure.message, tries.get()), ("so it is", 2));
    }

    async fn fails_and_then_hangs(tries: &Cell<u32>) -> Result<(), Failure> {
        if tries.replace(tries.get() + 1) > 0 {
            std::future::pending::<()>().await;
        }
        Err(Failure::new(FailureKind::Unavailable, "so it is"))
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_again_after_the_deadline() {
        let gate = Gate::new(Rates::default());
        let asks_for_a_minute = || {
            let failure = Failure::new(FailureKind::Throttled, "later");
            std::future::ready(Err::<(), _>(Failure {
                retry_after: Some(Duration::from_secs(60)),
                ..failure
            }))
        };
        let began = now();

        let failure = gate.call(Call::sign(soon()), asks_for_a_minute).await.unwrap_err();

        assert_eq!((failure.kind, now() - began), (FailureKind::Throttled, Duration::ZERO));
        let failure = gate.call(Call::sign(soon()), failing(FailureKind::Internal)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Throttled, "the service is left alone as it wished");
    }

    #[tokio::test(start_paused = true)]
    async fn signatures_do_not_wait_for_keys_that_are_made() {
        let rate = Rate { per_second: 1.0, burst: 1 };
        let gate = Gate::new(Rates { manage: Some(rate), ..Rates::default() });
        for _ in 0..5 {
            let made = gate.call(Call::manage(Retry::Never, soon()), || std::future::ready(Ok(())));
            made.await.unwrap();
        }
        let began = now();

        gate.call(Call::sign(soon()), || std::future::ready(Ok(()))).await.unwrap();

        assert_eq!(now(), began);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_silent_is_left_alone_and_comes_back() {
        let gate = Gate::new(Rates::default());
        let deadline = soon();
        for _ in 0..2 {
            tries(&gate, Call::sign(deadline), FailureKind::Unavailable).await;
        }

        assert_eq!(tries(&gate, Call::manage(Retry::Never, soon()), FailureKind::Unavailable).await, 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.call(Call::sign(soon()), || std::future::ready(Ok(()))).await.unwrap();
        gate.call(Call::sign(soon()), || std::future::ready(Ok(()))).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_left_alone_is_not_waited_for_and_takes_no_turn() {
        let rate = Rate { per_second: 0.5, burst: 8 };
        let gate = Gate::new(Rates { sign: Some(rate), ..Rates::default() });
        for _ in 0..2 {
            tries(&gate, Call::sign(soon()), FailureKind::Unavailable).await;
        }
        let began = now();

        for _ in 0..9 {
            assert_eq!(tries(&gate, Call::sign(soon()), FailureKind::Unavailable).await, 0);
        }
        assert_eq!(now(), began);
    }

    /// How many signatures a caller has by then who is not refused but as one too many.
    async fn signed_until(end: Instant, gate: &Gate) -> usize {
        let mut signed = 0;
        while now() < end {
            let answer = || tokio::time::sleep(Duration::from_millis(200)).map(Ok);
            let outcome = gate.call(Call::sign(soon()), answer).await;
            signed += usize::from(outcome.is_ok());
            if let Err(refused) = outcome {
                assert_eq!(refused.kind, FailureKind::Throttled, "{refused}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        signed
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_longer_than_the_deadline_costs_nobody_his_signature_who_has_a_turn() {
        let rate = Rate { per_second: 5.0, burst: 5 };
        let gate = Gate::new(Rates { sign: Some(rate), ..Rates::default() });
        let end = now() + Duration::from_secs(60);

        let signed = futures_util::future::join_all((0..64).map(|_| signed_until(end, &gate))).await;

        let signed: usize = signed.iter().sum();
        assert!(signed >= 5 * 60, "{signed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_slower_than_what_a_queue_left_is_not_left_alone() {
        let rate = Rate { per_second: 1.0, burst: 1 };
        let gate = Gate::new(Rates { sign: Some(rate), ..Rates::default() });
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            Ok(())
        };
        let deadline = soon();
        let calls = (0..9).map(|_| gate.call(Call::sign(deadline), slow));

        let late = futures_util::future::join_all(calls).await.iter().filter(|call| call.is_err()).count();

        assert!(late >= 5, "{late}");
        gate.call(Call::sign(soon()), slow).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_calls_at_once_go_at_the_rate_or_are_refused() {
        let rate = Rate { per_second: 100.0, burst: 100 };
        let gate = Gate::new(Rates { sign: Some(rate), ..Rates::default() });
        let deadline = now() + Duration::from_secs(5);
        let calls = (0..1000).map(|_| gate.call(Call::sign(deadline), || std::future::ready(Ok(()))));

        let outcomes = futures_util::future::join_all(calls).await;

        let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!((490..=510).contains(&served), "{served}");
        for refused in outcomes.into_iter().filter_map(Result::err) {
            assert!(refused.kind == FailureKind::Throttled && refused.retry_after.is_some(), "{refused}");
        }
    }
}
