//! Accepts connections, within limits, until it is told to stop; then lets the requests in flight end.

mod activity;
mod connection;

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::connection::{Connection, Protocol};
use crate::peer::Peer;
use crate::telemetry::{HandshakeFailure, Telemetry};
use crate::tls::{Certificates, H2};

/// What answers the requests of a listener.
pub(crate) trait Answer: Debug + Send + Sync + 'static {
    /// Answers `request`, whose head has just been read.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// What a listener allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// How many connections may be open at once. Further ones wait in the kernel's queue, and while there is no
    /// place left, silent connections give theirs up.
    pub(crate) connections: u32,
    /// How long a TLS handshake may take.
    pub(crate) handshake: Duration,
    /// How long a request's head may take from its first byte.
    pub(crate) header: Duration,
    /// How long a connection may be silent between requests.
    pub(crate) idle: Duration,
    /// How long requests in flight may take to end once the listener is told to stop.
    pub(crate) drain: Duration,
}

/// A bound socket and what is behind it.
#[derive(Debug)]
pub(crate) struct Listener<A> {
    /// The socket.
    pub(crate) socket: TcpListener,
    /// What TLS connections are greeted with; `None` speaks plain HTTP/1.
    pub(crate) tls: Option<Arc<Certificates>>,
    /// What answers.
    pub(crate) answer: Arc<A>,
    /// What it allows.
    pub(crate) limits: Limits,
    /// Where it counts.
    pub(crate) telemetry: Arc<Telemetry>,
}

impl<A: Answer> Listener<A> {
    /// Serves until `stop` is true, then drains.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(usize::try_from(self.limits.connections).unwrap_or(usize::MAX)));
        let phase = watch::Sender::new(Phase::Serving);

        tokio::select! {
            biased;
            _stopped = stop.wait_for(|stop| *stop) => {}
            () = self.accept(&places, &phase) => {}
        }

        // Closes the socket, so that new connections are refused while the old ones end.
        let Self { socket, limits, .. } = self;
        drop(socket);
        phase.send_replace(Phase::Draining);
        if timeout(limits.drain, places.acquire_many(limits.connections)).await.is_err() {
            tracing::warn!(bound = ?limits.drain, "requests did not end in time and are cut off");
            phase.send_replace(Phase::Over);
        }
    }

    async fn accept(&self, places: &Arc<Semaphore>, phase: &watch::Sender<Phase>) {
        while let Ok(place) = self.place(places).await {
            let (stream, peer) = self.next().await;
            let visitor = Visitor {
                tls: self.tls.clone(),
                limits: self.limits,
                telemetry: Arc::clone(&self.telemetry),
                connection: Connection::new(
                    Arc::clone(&self.answer),
                    self.limits,
                    Arc::clone(places),
                    phase.subscribe(),
                ),
            };
            tokio::spawn(visitor.serve(stream, peer.ip().to_canonical(), place));
        }
    }

    async fn place(
        &self,
        places: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, tokio::sync::AcquireError> {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(place);
        }

        self.telemetry.connections_full();
        Arc::clone(places).acquire_owned().await
    }

    async fn next(&self) -> (TcpStream, SocketAddr) {
        let mut told = false;
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_the_peers(&error) => continue,
                Err(error) if !told => tracing::warn!(%error, "connections cannot be accepted; trying on"),
                Err(_) => {}
            }

            // Most likely there are no file descriptors left: it will be so until something closes.
            told = true;
            sleep(PAUSE).await;
        }
    }
}

/// Where a listener is in its life.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Phase {
    /// Requests are welcome.
    Serving,
    /// Those in flight may end.
    Draining,
    /// Nothing may.
    Over,
}

/// One connection, before it is known what it speaks.
struct Visitor<A> {
    tls: Option<Arc<Certificates>>,
    limits: Limits,
    telemetry: Arc<Telemetry>,
    connection: Connection<A>,
}

impl<A: Answer> Visitor<A> {
    async fn serve(self, stream: TcpStream, address: IpAddr, place: OwnedSemaphorePermit) {
        let _open = self.telemetry.connection();
        // Answers are small and complete: waiting for more to send only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }

        match &self.tls {
            None => self.connection.serve(stream, Protocol::Http1, Peer::at(address)).await,
            Some(certificates) => self.greet(certificates, stream, address).await,
        }
        drop(place);
    }

    async fn greet(&self, certificates: &Certificates, stream: TcpStream, address: IpAddr) {
        let failure =
            match timeout(self.limits.handshake, TlsAcceptor::from(certificates.config()).accept(stream))
                .await
            {
                Ok(Ok(stream)) => {
                    let session = stream.get_ref().1;
                    let protocol = match session.alpn_protocol() {
                        Some(H2) => Protocol::Http2,
                        _ => Protocol::Http1,
                    };
                    let peer = match session.peer_certificates() {
                        Some(chain @ [certificate, ..]) => {
                            Peer::with_certificate(address, certificate, certificates.vouchers(chain))
                        }
                        Some([]) | None => Peer::at(address),
                    };
                    return self.connection.serve(stream, protocol, peer).await;
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    if error.kind() == io::ErrorKind::InvalidData {
                        HandshakeFailure::Protocol
                    } else {
                        HandshakeFailure::Closed
                    }
                }
                Err(_late) => HandshakeFailure::Timeout,
            };

        self.telemetry.handshake_failed(failure);
    }
}

/// Whether the connection that was to be accepted went away by itself, so that the next one may well be fine.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

const PAUSE: Duration = Duration::from_millis(100);

/// Serves plain HTTP/1 over a connection that is no network's.
#[cfg(test)]
pub(crate) async fn converse(io: tokio::io::DuplexStream, answer: Arc<impl Answer>) {
    let second = Duration::from_secs(1);
    let limits = Limits { connections: 1, handshake: second, header: second, idle: second, drain: second };
    let phase = watch::Sender::new(Phase::Serving);

    let connection = Connection::new(answer, limits, Arc::new(Semaphore::new(1)), phase.subscribe());
    connection.serve(io, Protocol::Http1, Peer::default()).await;
}

#[cfg(test)]
mod tests;
