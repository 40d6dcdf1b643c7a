//! Listens on the socket, and passes on what it is asked for.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::socket::Name;
use super::{Administrator, RELOAD, Reloaded, Unchanged};
use crate::json;

/// The socket, bound. It is gone from the folder when this is dropped.
#[derive(Debug)]
pub(crate) struct Administration {
    socket: UnixListener,
    name: Name,
    owner: u32,
    orders: mpsc::Sender<Order>,
}

/// A reload that somebody asked for.
#[derive(Debug)]
pub(crate) struct Order {
    /// Who.
    pub(crate) by: Administrator,
    /// Where the outcome goes.
    pub(crate) answer: oneshot::Sender<Result<Reloaded, Unchanged>>,
}

impl Administration {
    /// Binds the socket in `data`, which this process has locked. What it is asked for comes out of the other half.
    /// `owner` is the user who may ask beside root. Must be called in a runtime.
    pub(crate) fn open(data: &Path, owner: u32) -> io::Result<(Self, mpsc::Receiver<Order>)> {
        let name = Name::of(data)?;
        // One that is there was left by a gateway that was killed: nobody else has the folder.
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = UnixListener::bind(&name)?;
        // Whoever connects before this is still asked who it is.
        fs::set_permissions(&name, Permissions::from_mode(0o600))?;

        let (orders, taken) = mpsc::channel(CONNECTIONS);
        Ok((Self { socket, name, owner, orders }, taken))
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(&self) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            if connections.len() >= CONNECTIONS {
                connections.join_next().await;
                continue;
            }
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, self.owner, self.orders.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the administration socket cannot accept; trying on");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Administration {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.name) {
            tracing::debug!(%error, "the administration socket is not there to be removed");
        }
    }
}

async fn converse(stream: UnixStream, owner: u32, orders: mpsc::Sender<Order>) {
    let uid = match stream.peer_cred() {
        Ok(credentials) => credentials.uid(),
        Err(error) => {
            tracing::warn!(%error, "nobody knows who is at the administration socket");
            return;
        }
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let orders = orders.clone();
        async move { Ok::<_, Infallible>(answer(&request, (uid, owner), orders).await) }
    });

    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an administration connection ended");
    }
}

async fn answer(
    request: &Request<Incoming>,
    (uid, owner): (u32, u32),
    orders: mpsc::Sender<Order>,
) -> Response<Full<Bytes>> {
    if uid != ROOT && uid != owner {
        tracing::warn!(uid, "refused at the administration socket");
        return refusal(
            StatusCode::FORBIDDEN,
            &format!("uid {uid} may not: root may, and uid {owner}, whose process the gateway is"),
        );
    }

    match (request.method(), request.uri().path()) {
        (&Method::POST, RELOAD) => reload(Administrator::User(uid), &orders).await,
        (_, RELOAD) => {
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "this takes POST");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            response
        }
        _ => refusal(StatusCode::NOT_FOUND, "this gateway has no such command"),
    }
}

async fn reload(by: Administrator, orders: &mpsc::Sender<Order>) -> Response<Full<Bytes>> {
    let (answer, answered) = oneshot::channel();
    let outcome = match orders.send(Order { by, answer }).await {
        Ok(()) => answered.await.ok(),
        Err(_stopping) => None,
    };

    match outcome {
        Some(Ok(reloaded)) => json::response(StatusCode::OK, &reloaded),
        Some(Err(unchanged)) => json::response(StatusCode::CONFLICT, &unchanged),
        None => refusal(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
    }
}

fn refusal(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    json::response(status, &Unchanged { error: error.to_owned(), mistakes: None })
}

const ROOT: u32 = 0;
/// Operators are few, and ask one thing at a time.
const CONNECTIONS: usize = 8;
const HEADER: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
