//! HTTP over one connection, until it ends, says nothing for too long, or the listener stops.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::activity::{Activity, Noted, Patience, Verdict, Watch};
use super::{Answer, Limits, Phase};
use crate::peer::Peer;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What one connection needs of its listener.
#[derive(Debug)]
pub(super) struct Connection<A> {
    answer: Arc<A>,
    limits: Limits,
    places: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

impl<A: Answer> Connection<A> {
    pub(super) fn new(
        answer: Arc<A>,
        limits: Limits,
        places: Arc<Semaphore>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self { answer, limits, places, phase }
    }

    /// Serves `io`, with `peer` at its other end, until it ends.
    pub(super) async fn serve<I>(&self, io: I, protocol: Protocol, peer: Peer)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Arc::<Activity>::default();
        let io = Noted::new(TokioIo::new(io), Arc::clone(&activity));
        let watch = Watch::new(Arc::clone(&activity), self.period());
        let answer = Arc::clone(&self.answer);
        let peer = Arc::new(peer);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&peer));
            let in_flight = activity.begin();
            let answer = Arc::clone(&answer);
            async move {
                let response: Response<Full<Bytes>> = answer.answer(request).await;
                drop(in_flight);
                Ok::<_, Infallible>(response)
            }
        });

        let ended = match protocol {
            Protocol::Http1 => {
                self.drive(http1().serve_connection(io, service), watch, Some(self.limits.header)).await
            }
            Protocol::Http2 => self.drive(http2().serve_connection(io, service), watch, None).await,
        };
        if let Some(Err(error)) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }

    /// Runs `connection`, and looks at it now and then. `None` where it was cut off.
    async fn drive<C: GracefulConnection>(
        &self,
        connection: C,
        mut watch: Watch,
        header: Option<Duration>,
    ) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut looks = interval_at(Instant::now() + self.period(), self.period());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = self.phase.clone();
        let mut seen = Phase::Serving;

        loop {
            let verdict = tokio::select! {
                ended = connection.as_mut() => return Some(ended),
                _look = looks.tick() => watch.look(self.patience(header)),
                changed = phase.wait_for(|phase| *phase > seen) => {
                    seen = changed.map_or(Phase::Over, |phase| *phase);
                    if seen == Phase::Draining { Verdict::Close } else { Verdict::Drop }
                }
            };
            match verdict {
                Verdict::Keep => {}
                Verdict::Close => connection.as_mut().graceful_shutdown(),
                Verdict::Drop => return None,
            }
        }
    }

    fn patience(&self, header: Option<Duration>) -> Patience {
        let full = self.places.available_permits() == 0;
        let idle = if full { Duration::ZERO } else { self.limits.idle };

        Patience { header, idle, farewell: self.limits.header }
    }

    fn period(&self) -> Duration {
        self.limits.header.min(self.limits.idle).div_f64(4.0).max(SHORTEST_PERIOD)
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_header_size(HEAD).max_buf_size(BUFFER);
    builder
}

/// A stream costs memory before anybody is authenticated, and one that is reset costs work: few of both are let in
/// (CVE-2023-44487). Windows let the largest legitimate body pass without a pause.
fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .max_header_list_size(HEAD_H2)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024);
    builder
}

/// The longest head, in bytes. A bearer token of a cluster's issuer has one to two thousand.
const HEAD: usize = 16 * 1024;
const HEAD_H2: u32 = 16 * 1024;
/// What is read ahead, in bytes.
const BUFFER: usize = 64 * 1024;
const SHORTEST_PERIOD: Duration = Duration::from_millis(5);
