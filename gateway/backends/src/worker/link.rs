//! One living worker: requests go out, answers come back in any order, and silence is noticed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyport_core::{Failure, FailureKind};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use zeroize::Zeroizing;

use super::frame::{FrameError, Unframer, encode};
use super::message::{FromWorker, ToWorker};
use super::supervisor::Limits;
use super::{Protocol, Sent};

/// The callers' side of a living worker.
#[derive(Debug)]
pub(super) struct Link<P: Protocol> {
    outbox: mpsc::UnboundedSender<Zeroizing<Vec<u8>>>,
    calls: Arc<Mutex<Calls<P>>>,
    /// More than the worker serves at once, so that it finds the next when it has ended one: a thread that goes on by
    /// itself is cheaper than one that is woken. What waits for a place has not been sent.
    places: Arc<Semaphore>,
}

/// What is with the worker now.
#[derive(Debug)]
struct Calls<P: Protocol> {
    next: u64,
    /// In the order in which they were sent, which is the one in which the worker begins them.
    open: BTreeMap<u64, Call<P>>,
    /// How many the worker serves at once: so many of the first are begun.
    in_flight: usize,
    /// Why there can be no more.
    ended: Option<Failure>,
}

#[derive(Debug)]
struct Call<P: Protocol> {
    reply: oneshot::Sender<Result<P::Answer, Failure>>,
    /// How long the worker may be at it.
    limit: Duration,
    /// When the worker counts as hung; `None` until it has begun.
    overdue: Option<Instant>,
    // A call that nobody waits for any more still has its place: the worker is still at it.
    _place: OwnedSemaphorePermit,
}

impl<P: Protocol> Calls<P> {
    /// The last of the first so many, if it was waiting, is begun about now.
    fn begin(&mut self, now: Instant) {
        let last = self.in_flight.min(self.open.len()).saturating_sub(1);
        if let Some(call) = self.open.values_mut().nth(last) {
            call.overdue.get_or_insert(now + call.limit);
        }
    }
}

/// What became of a call.
#[derive(Debug)]
pub(super) enum Outcome<P: Protocol> {
    /// The worker answered, or somebody did in its place.
    Ended(Result<P::Answer, Failure>),
    /// It was never sent: the worker ended first. The next may have it.
    NotSent(P::Request),
}

impl<P: Protocol> Link<P> {
    /// A link over `write`, for so many calls at once, and what must run for it.
    pub(super) fn new(write: OwnedWriteHalf, in_flight: usize) -> (Arc<Self>, Drive<P>) {
        let (outbox, queue) = mpsc::unbounded_channel();
        let calls = Arc::new(Mutex::new(Calls { next: 0, open: BTreeMap::new(), in_flight, ended: None }));
        let places = Arc::new(Semaphore::new(in_flight.saturating_add(AHEAD).min(Semaphore::MAX_PERMITS)));
        let link = Arc::new(Self { outbox, calls, places });

        (Arc::clone(&link), Drive { link, queue, write })
    }

    /// Sends `request` when there is a place for it, and waits for the answer until `deadline`. The worker counts as hung
    /// when it is still at it a while, `limit`, after it can have begun.
    pub(super) async fn call(&self, request: P::Request, deadline: Instant, limit: Duration) -> Outcome<P> {
        let place = match timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_closed)) => return Outcome::NotSent(request),
            Err(_late) => return Outcome::Ended(Err(busy())),
        };
        let answer = match self.send(request, deadline, limit, place) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };

        Outcome::Ended(match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Err(Failure::new(FailureKind::Internal, "a call was dropped")),
            Err(_late) => Err(Failure::new(FailureKind::Unavailable, "the worker did not answer in time")),
        })
    }

    fn send(
        &self,
        body: P::Request,
        deadline: Instant,
        limit: Duration,
        place: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<P::Answer, Failure>>, Outcome<P>> {
        let now = Instant::now();
        let mut calls = self.calls();
        if calls.ended.is_some() {
            return Err(Outcome::NotSent(body));
        }

        let id = calls.next;
        // What the worker waits for itself, it waits for so long that it does not look hung.
        let within = deadline.saturating_duration_since(now).min(limit / 2);
        let message = ToWorker::<P>::Request { id, within, body };
        let frame = encode(&message).map_err(|error| {
            let failure = Failure::new(FailureKind::InvalidArgument, format!("cannot be sent: {error}"));
            Outcome::Ended(Err(failure))
        })?;

        let (reply, answer) = oneshot::channel();
        calls.next += 1;
        calls.open.insert(id, Call { reply, limit, overdue: None, _place: place });
        calls.begin(now);
        // Where nobody reads the queue any more the link is about to end, which answers the call.
        drop(self.outbox.send(frame));
        Ok(answer)
    }

    fn answered(&self, id: u64, answer: P::Answer) {
        let mut calls = self.calls();
        let call = calls.open.remove(&id);
        calls.begin(Instant::now());
        drop(calls);

        // Whose caller has gone wants no answer.
        drop(call.map(|call| call.reply.send(Ok(answer))));
    }

    /// Takes no more calls.
    fn close(&self, failure: &Failure) {
        self.calls().ended = Some(failure.clone());
        self.places.close();
    }

    /// Takes no more calls, and answers those that are open with `failure`.
    fn end(&self, failure: &Failure) {
        self.close(failure);
        let open = std::mem::take(&mut self.calls().open);

        // Whatever ended the worker, for these it is a matter of time.
        let failure = Failure {
            kind: FailureKind::Unavailable,
            retry_after: Some(failure.retry_after.unwrap_or(SOON)),
            ..failure.clone()
        };
        for call in open.into_values() {
            drop(call.reply.send(Err(failure.clone())));
        }
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.calls().open.values().any(|call| call.overdue.is_some_and(|overdue| overdue <= now))
    }

    fn calls(&self) -> MutexGuard<'_, Calls<P>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The supervisor's side of a living worker.
#[derive(Debug)]
pub(super) struct Drive<P: Protocol> {
    link: Arc<Link<P>>,
    queue: mpsc::UnboundedReceiver<Zeroizing<Vec<u8>>>,
    write: OwnedWriteHalf,
}

impl<P: Protocol> Drive<P> {
    /// Runs the link until the worker ends, hangs or wants to leave; answers why. Every call has its answer then.
    pub(super) async fn run(self, incoming: Incoming, limits: &Limits) -> Failure {
        let Self { link, queue, write } = self;
        let heard = AtomicBool::new(true);
        let failure = select! {
            failure = read(&link, incoming, &heard) => failure,
            failure = send(queue, write) => failure,
            failure = watch(&link, limits, &heard) => failure,
        };

        link.end(&failure);
        failure
    }
}

async fn read<P: Protocol>(link: &Link<P>, mut incoming: Incoming, heard: &AtomicBool) -> Failure {
    loop {
        match incoming.next::<FromWorker<P>>().await {
            Ok(Some(FromWorker::Answer { id, body, leave: None })) => link.answered(id, body),
            Ok(Some(FromWorker::Answer { id, body, leave: Some(Sent(failure)) })) => {
                // Whoever gets this answer must not reach the worker that gave it any more.
                link.close(&failure);
                link.answered(id, body);
                return failure;
            }
            Ok(Some(FromWorker::Pong)) => {}
            Ok(Some(FromWorker::Committed | FromWorker::Ready(_) | FromWorker::Refused(_))) => {
                return Failure::new(FailureKind::Unavailable, "the worker speaks out of turn");
            }
            Ok(None) => return Failure::new(FailureKind::Unavailable, "the worker ended"),
            Err(error) => return Failure::new(FailureKind::Unavailable, error.to_string()),
        }
        heard.store(true, Ordering::Relaxed);
    }
}

async fn send(mut queue: mpsc::UnboundedReceiver<Zeroizing<Vec<u8>>>, mut write: OwnedWriteHalf) -> Failure {
    while let Some(frame) = queue.recv().await {
        if let Err(error) = write.write_all(&frame).await {
            return Failure::new(FailureKind::Unavailable, format!("the worker cannot be reached: {error}"));
        }
    }

    Failure::new(FailureKind::Unavailable, "nobody needs the worker any more")
}

/// Ends when the worker hangs: when a call takes too long, or nothing is heard of it though it is asked.
async fn watch<P: Protocol>(link: &Link<P>, limits: &Limits, heard: &AtomicBool) -> Failure {
    let mut ticks = interval(limits.heartbeat);
    // Ticks are counted, not time: after this process itself was stopped for a while, the worker is heard first.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

    let mut silent = 0;
    loop {
        let now = ticks.tick().await;
        if link.is_overdue(now) {
            return Failure::new(FailureKind::Unavailable, "a call hangs in the worker");
        }

        silent = if heard.swap(false, Ordering::Relaxed) { 0 } else { silent + 1 };
        if silent == SILENT {
            return Failure::new(FailureKind::Unavailable, "the worker is silent");
        }
        match encode(&ToWorker::<P>::Ping) {
            Ok(frame) => drop(link.outbox.send(frame)),
            Err(error) => return Failure::new(FailureKind::Internal, error.to_string()),
        }
    }
}

/// What comes from a worker.
#[derive(Debug)]
pub(super) struct Incoming {
    read: OwnedReadHalf,
    unframer: Unframer,
}

impl Incoming {
    pub(super) fn new(read: OwnedReadHalf) -> Self {
        Self { read, unframer: Unframer::default() }
    }

    /// The next message; `None` where the worker has closed the socket.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        loop {
            if let Some(message) = self.unframer.take()? {
                return Ok(Some(message));
            }
            if self.read.read_buf(self.unframer.room()).await? == 0 {
                return Ok(None);
            }
        }
    }
}

fn busy() -> Failure {
    let message = "as many calls as the worker serves at once are under way";

    Failure { retry_after: Some(Duration::from_secs(1)), ..Failure::new(FailureKind::Throttled, message) }
}

/// When a call that was under way when the worker ended is worth another try: its replacement is quick.
const SOON: Duration = Duration::from_secs(1);
/// So many calls wait in the worker itself.
const AHEAD: usize = 16;
/// So many heartbeats without an answer, and the worker hangs.
const SILENT: u32 = 3;

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;
    use tokio::time::advance;

    use super::*;
    use crate::worker::testing::Echo;

    #[tokio::test(start_paused = true)]
    async fn what_waits_in_the_worker_is_not_overdue_for_that() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let (link, _drive) = Link::<Echo>::new(ours.into_split().1, 1);
        let deadline = Instant::now() + Duration::from_secs(60);
        let call = || {
            let place = Arc::clone(&link.places).try_acquire_owned().unwrap();
            link.send("sign".to_owned(), deadline, LIMIT, place).unwrap()
        };
        let (_first, _second) = (call(), call());

        advance(LIMIT / 2).await;
        link.answered(0, "signed".to_owned());
        advance(LIMIT * 2 / 3).await;
        assert!(!link.is_overdue(Instant::now()), "it was begun two thirds of its time ago");
        advance(LIMIT / 3).await;
        assert!(link.is_overdue(Instant::now()));
    }

    const LIMIT: Duration = Duration::from_secs(6);
}
