//! What happens on a connection, seen without a clock: cheap for those that act, enough for one that looks now and then.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};

/// Counts what happens on one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose head was read.
    begun: AtomicU64,
    /// Those of them that are not answered yet.
    in_flight: AtomicU32,
    /// Whether bytes came after the last head was read or the last answer was made.
    bytes: AtomicBool,
}

impl Activity {
    /// A head was read; its request is in flight until the answer drops.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.bytes.store(false, Ordering::Relaxed);

        InFlight(Arc::clone(self))
    }
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.bytes.store(false, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a connection may stay without a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a head that has begun; `None` where heads cannot be told from other bytes.
    pub(super) header: Option<Duration>,
    /// Between requests.
    pub(super) idle: Duration,
    /// For the other side to take the last answer and go, once it was asked to.
    pub(super) farewell: Duration,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It may stay.
    Keep,
    /// It is to end when it has nothing to say.
    Close,
    /// It is to end now.
    Drop,
}

/// Looks at a connection's activity once every `period`.
#[derive(Debug)]
pub(super) struct Watch {
    activity: Arc<Activity>,
    period: Duration,
    begun: u64,
    quiet: Duration,
    heading: Duration,
}

impl Watch {
    pub(super) fn new(activity: Arc<Activity>, period: Duration) -> Self {
        Self { activity, period, begun: 0, quiet: Duration::ZERO, heading: Duration::ZERO }
    }

    /// To be called once every period.
    pub(super) fn look(&mut self, patience: Patience) -> Verdict {
        let begun = self.activity.begun.load(Ordering::Relaxed);
        if begun != self.begun || self.activity.in_flight.load(Ordering::Relaxed) > 0 {
            *self = Self { begun, ..Self::new(Arc::clone(&self.activity), self.period) };
            return Verdict::Keep;
        }

        self.quiet += self.period;
        if self.activity.bytes.load(Ordering::Relaxed) {
            self.heading += self.period;
        }
        if patience.header.is_some_and(|header| self.heading > header)
            || self.quiet > patience.idle + patience.farewell
        {
            return Verdict::Drop;
        }

        if self.quiet > patience.idle { Verdict::Close } else { Verdict::Keep }
    }
}

/// A stream that notes that bytes came.
#[derive(Debug)]
pub(super) struct Noted<I> {
    io: I,
    activity: Arc<Activity>,
}

impl<I> Noted<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }
}

impl<I: Read + Unpin> Read for Noted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if polled.is_ready() {
            self.activity.bytes.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<I: Write + Unpin> Write for Noted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience =
        Patience { header: Some(Duration::from_secs(2)), idle: Duration::from_secs(5), farewell: SECOND };

    #[test]
    fn silent_connection_is_asked_to_go_and_then_dropped() {
        let mut watch = Watch::new(Arc::default(), SECOND);

        let verdicts: Vec<_> = (0..7).map(|_| watch.look(PATIENCE)).collect();
        assert_eq!(verdicts[..5], [Verdict::Keep; 5]);
        assert_eq!(verdicts[5..], [Verdict::Close, Verdict::Drop]);
    }

    #[test]
    fn head_that_does_not_end_is_dropped_sooner() {
        let activity = Arc::<Activity>::default();
        let mut watch = Watch::new(Arc::clone(&activity), SECOND);
        activity.bytes.store(true, Ordering::Relaxed);

        let verdicts: Vec<_> = (0..3).map(|_| watch.look(PATIENCE)).collect();
        assert_eq!(verdicts, [Verdict::Keep, Verdict::Keep, Verdict::Drop]);
    }

    #[test]
    fn connection_with_a_request_in_flight_may_stay() {
        let activity = Arc::<Activity>::default();
        let mut watch = Watch::new(Arc::clone(&activity), SECOND);

        let request = activity.begin();
        assert!((0..100).all(|_| watch.look(PATIENCE) == Verdict::Keep));
        drop(request);
        assert!((0..5).all(|_| watch.look(PATIENCE) == Verdict::Keep));
        assert_eq!(watch.look(PATIENCE), Verdict::Close);
    }
}
