//! The worker's own side: says that it is there, starts, and serves what it is asked on a bounded number of threads.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use keyport_core::Failure;
use serde::Serialize;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::time::Instant;

use super::frame::{FrameError, encode, read};
use super::message::{FromWorker, Hello, ToWorker};
use super::{Protocol, Sent};

/// What a worker does.
pub trait Service<P: Protocol>: Debug + Send + Sync + 'static {
    /// Does what it is asked; what that needs, it waits for until `deadline`.
    fn call(&self, request: P::Request, deadline: std::time::Instant) -> Served<P::Answer>;
}

/// What came of a request.
#[derive(Debug)]
pub struct Served<A> {
    /// The answer.
    pub answer: A,
    /// Why the worker should be replaced, where it should.
    pub leave: Option<Failure>,
}

/// A service that has started.
#[derive(Debug)]
pub struct Started<P: Protocol, S> {
    /// What serves; `None` where everything there is to say is said.
    pub service: Option<S>,
    /// What callers are told of it.
    pub ready: P::Ready,
    /// Requests that are served at once; of those that come ahead, each waits its turn.
    pub in_flight: usize,
}

/// A service that is starting.
#[derive(Debug)]
pub struct Starting<'a> {
    socket: &'a UnixStream,
    says_committed: Vec<u8>,
}

impl Starting<'_> {
    /// Says that what comes next must not be tried again where it ends without a word.
    pub fn commit(&self) -> Result<(), ServeError> {
        let mut socket = self.socket;

        Ok(socket.write_all(&self.says_committed).map_err(FrameError::Io)?)
    }
}

/// Serves over `socket` until the other side closes it.
pub fn serve<P: Protocol, S: Service<P>>(
    socket: UnixStream,
    start: impl FnOnce(P::Setup, &Starting<'_>) -> Result<Started<P, S>, P::Refusal>,
) -> Result<(), ServeError> {
    let hello: Option<Hello> = read(&mut &socket)?;
    say(&socket, &Hello::of::<P>())?;
    if hello.as_ref() != Some(&Hello::of::<P>()) {
        return Err(ServeError::OtherVersion);
    }
    // Not through a buffer, in which secrets would stay: they come in this one message.
    let Some(ToWorker::Start(setup)) = read::<ToWorker<P>>(&mut &socket)? else {
        return Err(ServeError::OutOfTurn);
    };

    let says_committed = encode(&FromWorker::<P>::Committed)?.to_vec();
    let started = match start(setup, &Starting { socket: &socket, says_committed }) {
        Ok(started) => started,
        Err(refusal) => return say(&socket, &FromWorker::<P>::Refused(refusal)),
    };
    say(&socket, &FromWorker::<P>::Ready(started.ready))?;
    let Some(service) = started.service else {
        // Nothing is asked any more; what was said must be read before the socket goes.
        while read::<ToWorker<P>>(&mut &socket)?.is_some() {}
        return Ok(());
    };

    let incoming = socket.try_clone().map_err(FrameError::Io)?;
    let office = Office::<P, S> {
        incoming: Mutex::new(BufReader::new(incoming)),
        outgoing: Mutex::new(socket),
        turns: Turns::new(started.in_flight),
        service,
    };
    Arc::new(office).open()
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket failed, or carried nonsense.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The other side speaks another protocol or version.
    #[error("the other side speaks another protocol")]
    OtherVersion,
    /// The other side says what it must not say now.
    #[error("the other side speaks out of turn")]
    OutOfTurn,
    /// A mistake of ours.
    #[error("a thread panicked")]
    Panicked,
    /// There are no threads to serve on.
    #[error("no thread can be started: {0}")]
    Thread(std::io::Error),
}

/// What the threads share.
#[derive(Debug)]
struct Office<P: Protocol, S> {
    incoming: Mutex<BufReader<UnixStream>>,
    outgoing: Mutex<UnixStream>,
    turns: Turns<P>,
    service: S,
}

impl<P: Protocol, S: Service<P>> Office<P, S> {
    /// Every thread reads one message at a time and does what it says, so that nothing is handed from thread to thread:
    /// who has served one request takes the next that waits. There is one thread more than there are requests at once:
    /// one is always reading, and answers pings.
    fn open(self: Arc<Self>) -> Result<(), ServeError> {
        let (end, ended) = mpsc::channel();
        do_not_preempt();
        for _ in 0..=self.turns.in_flight {
            let (office, end) = (Arc::clone(&self), end.clone());
            // The first that ends ends the worker, and nobody hears the others.
            let work = move || {
                let ended = catch_unwind(AssertUnwindSafe(|| office.work()));
                drop(end.send(ended.unwrap_or(Err(ServeError::Panicked))));
            };
            thread::Builder::new().name("serve".into()).spawn(work).map_err(ServeError::Thread)?;
        }
        drop(end);

        ended.recv().unwrap_or(Ok(()))
    }

    fn work(&self) -> Result<(), ServeError> {
        loop {
            let message = read::<ToWorker<P>>(&mut *lock(&self.incoming))?;
            match message {
                None => return Ok(()),
                Some(ToWorker::Ping) => self.say(&FromWorker::Pong)?,
                Some(ToWorker::Start(_)) => return Err(ServeError::OutOfTurn),
                Some(ToWorker::Request { id, within, body }) => {
                    let deadline = Instant::now().into_std() + within;
                    self.serve(self.turns.take(Call { id, deadline, body }))?;
                }
            }
        }
    }

    /// Serves `turn`, where it is one, and what waits then.
    fn serve(&self, mut turn: Option<Call<P>>) -> Result<(), ServeError> {
        while let Some(call) = turn {
            self.answer(call)?;
            turn = self.turns.next();
        }

        Ok(())
    }

    fn answer(&self, call: Call<P>) -> Result<(), ServeError> {
        let Served { answer, leave } = self.service.call(call.body, call.deadline);

        self.say(&FromWorker::Answer { id: call.id, body: answer, leave: leave.map(Sent) })
    }

    fn say(&self, message: &FromWorker<P>) -> Result<(), ServeError> {
        say(&lock(&self.outgoing), message)
    }
}

/// Who is served, and who waits for that in the order of arrival.
#[derive(Debug)]
struct Turns<P: Protocol> {
    in_flight: usize,
    queue: Mutex<Queue<P>>,
}

#[derive(Debug)]
struct Queue<P: Protocol> {
    served: usize,
    waiting: VecDeque<Call<P>>,
}

/// A request, with when it is to end.
#[derive(Debug)]
struct Call<P: Protocol> {
    id: u64,
    deadline: std::time::Instant,
    body: P::Request,
}

impl<P: Protocol> Turns<P> {
    fn new(in_flight: usize) -> Self {
        Self { in_flight, queue: Mutex::new(Queue { served: 0, waiting: VecDeque::new() }) }
    }

    /// Gives `call` back where it is to be served now; otherwise whoever ends one finds it.
    fn take(&self, call: Call<P>) -> Option<Call<P>> {
        let mut queue = lock(&self.queue);
        if queue.served < self.in_flight {
            queue.served += 1;
            return Some(call);
        }

        queue.waiting.push_back(call);
        None
    }

    /// One was served: which is next?
    fn next(&self) -> Option<Call<P>> {
        let mut queue = lock(&self.queue);
        let next = queue.waiting.pop_front();
        if next.is_none() {
            queue.served -= 1;
        }

        next
    }
}

/// Has this thread, and those that it starts, wait for their turn instead of preempting whoever wakes them (sched(7),
/// `SCHED_BATCH`): where all processors are busy, the gateway then sends what it has to send before the first of it is
/// served, and a signature costs a tenth less.
fn do_not_preempt() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let Ok(ordinary) = ORDINARY.try_into().map(ThreadPriority::Crossplatform) else { return };

    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ordinary, policy) {
        eprintln!("the threads that serve are scheduled as any others: {error:?}");
    }
}

/// Niceness 0 on the scale of 0 (niceness 19) to 99 (niceness -20).
const ORDINARY: u8 = 47;

fn say<T: Serialize>(mut socket: &UnixStream, message: &T) -> Result<(), ServeError> {
    Ok(socket.write_all(&encode(message)?).map_err(FrameError::Io)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use keyport_core::FailureKind;

    use super::*;
    use crate::worker::testing::{Echo, No};

    /// Answers "wait" once two such are with it, and "hold" once the caller says so; panics and leaves when told to.
    #[derive(Debug)]
    struct Desk {
        pair: Barrier,
        held: Arc<Barrier>,
    }

    impl Service<Echo> for Desk {
        fn call(&self, request: String, _deadline: std::time::Instant) -> Served<String> {
            let leave = (request == "leave").then(|| Failure::new(FailureKind::Unavailable, "left"));
            match request.as_str() {
                "panic" => panic!("a mistake"),
                "hold" => drop(self.held.wait()),
                "wait" => drop(self.pair.wait()),
                _ => {}
            }
            Served { answer: request, leave }
        }
    }

    /// The other side of a worker that serves on a thread.
    struct Caller {
        socket: UnixStream,
        held: Arc<Barrier>,
        worker: thread::JoinHandle<Result<(), ServeError>>,
    }

    impl Caller {
        fn start() -> Self {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let held = Arc::new(Barrier::new(3));
            let desk = Desk { pair: Barrier::new(2), held: Arc::clone(&held) };
            let start = |serves: bool, starting: &Starting<'_>| {
                starting.commit().unwrap();
                serves.then_some(Started { service: Some(desk), ready: (), in_flight: 2 }).ok_or(No)
            };
            Self { socket: ours, held, worker: thread::spawn(move || serve::<Echo, Desk>(theirs, start)) }
        }

        /// One that serves, and said so.
        fn served() -> Self {
            let caller = Self::start();
            caller.greet();
            caller.say(&ToWorker::<Echo>::Start(true));
            assert!(matches!(caller.hear(), Some(FromWorker::Committed)));
            assert!(matches!(caller.hear(), Some(FromWorker::Ready(()))));
            caller
        }

        fn greet(&self) {
            self.say(&Hello::of::<Echo>());
            assert_eq!(read::<Hello>(&mut &self.socket).unwrap(), Some(Hello::of::<Echo>()));
        }

        fn say<T: Serialize>(&self, message: &T) {
            say(&self.socket, message).unwrap();
        }

        fn ask(&self, id: u64, body: &str) {
            let within = Duration::from_secs(9);
            self.say(&ToWorker::<Echo>::Request { id, within, body: body.to_owned() });
        }

        fn hear(&self) -> Option<FromWorker<Echo>> {
            read(&mut &self.socket).unwrap()
        }

        fn end(self) -> Result<(), ServeError> {
            drop(self.socket);
            self.worker.join().unwrap()
        }
    }

    #[test]
    fn answers_come_as_they_are_ready_and_pings_between_them() {
        let caller = Caller::served();
        caller.ask(1, "wait");
        caller.say(&ToWorker::<Echo>::Ping);
        assert!(matches!(caller.hear(), Some(FromWorker::Pong)));
        caller.ask(2, "at once");
        assert!(matches!(caller.hear(), Some(FromWorker::Answer { id: 2, .. })));

        caller.ask(3, "wait");
        caller.say(&ToWorker::<Echo>::Ping);
        let heard: Vec<_> = (0..3).filter_map(|_| caller.hear()).collect();
        let answered = |message: &FromWorker<Echo>| {
            if let FromWorker::Answer { id, .. } = message { Some(*id) } else { None }
        };
        let mut ids: Vec<_> = heard.iter().filter_map(answered).collect();
        ids.sort_unstable();
        assert!(ids == [1, 3] && heard.iter().any(|message| matches!(message, FromWorker::Pong)));
        caller.end().unwrap();
    }

    #[test]
    fn what_comes_ahead_waits_its_turn_and_pings_do_not() {
        let caller = Caller::served();
        for (id, body) in [(1, "hold"), (2, "hold"), (3, "at once")] {
            caller.ask(id, body);
        }
        caller.say(&ToWorker::<Echo>::Ping);
        assert!(matches!(caller.hear(), Some(FromWorker::Pong)));

        caller.held.wait();
        let heard: Vec<_> = (0..3).map(|_| caller.hear()).collect();
        assert!(matches!(heard[0], Some(FromWorker::Answer { id: 1 | 2, .. })), "{heard:?}");
        caller.end().unwrap();
    }

    #[test]
    fn a_refusal_is_said_and_the_worker_ends() {
        let caller = Caller::start();
        caller.greet();
        caller.say(&ToWorker::<Echo>::Start(false));

        assert!(matches!(caller.hear(), Some(FromWorker::Committed)));
        assert!(matches!(caller.hear(), Some(FromWorker::Refused(No))));
        assert!(caller.hear().is_none());
        caller.end().unwrap();
    }

    #[test]
    fn another_version_is_not_served_but_answered_in_kind() {
        let caller = Caller::start();
        caller.say(&Hello { version: 2, ..Hello::of::<Echo>() });

        assert_eq!(read::<Hello>(&mut &caller.socket).unwrap(), Some(Hello::of::<Echo>()));
        assert!(matches!(caller.end(), Err(ServeError::OtherVersion)));
    }

    #[test]
    fn who_wants_to_leave_says_so_with_its_last_answer() {
        let caller = Caller::served();
        caller.ask(1, "leave");

        let Some(FromWorker::Answer { leave: Some(Sent(failure)), .. }) = caller.hear() else { panic!() };
        assert_eq!(failure.message, "left");
    }

    #[test]
    fn a_panic_ends_the_worker() {
        let caller = Caller::served();
        caller.ask(1, "panic");

        assert!(matches!(caller.worker.join().unwrap(), Err(ServeError::Panicked)));
    }

    #[test]
    fn nonsense_ends_the_worker() {
        let caller = Caller::served();
        (&caller.socket).write_all(&[0, 0, 0, 1, 0xff]).unwrap();
        assert!(matches!(caller.worker.join().unwrap(), Err(ServeError::Frame(_))));

        let caller = Caller::served();
        caller.say(&ToWorker::<Echo>::Start(true));
        assert!(matches!(caller.worker.join().unwrap(), Err(ServeError::OutOfTurn)));
    }
}
