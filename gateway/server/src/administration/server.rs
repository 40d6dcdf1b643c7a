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
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::socket::Name;
use super::{Administrator, Change, Changed, KeyStanding, RELOAD, Reloaded, Sought, Unchanged};
use crate::json;

/// The socket, bound. It is gone from the folder when this is dropped.
#[derive(Debug)]
pub(crate) struct Administration {
    socket: UnixListener,
    name: Name,
    owner: u32,
    orders: mpsc::Sender<Order>,
}

/// Something that somebody asked for.
#[derive(Debug)]
pub(crate) struct Order {
    /// Who.
    pub(crate) by: Administrator,
    /// What.
    pub(crate) what: What,
}

/// What can be asked for, and where the outcome goes.
#[derive(Debug)]
pub(crate) enum What {
    /// To read the configuration again.
    Reload(Option<oneshot::Sender<Result<Reloaded, Unchanged>>>),
    /// To have another version of a provider serve.
    Change {
        /// Which provider.
        provider: String,
        /// Which version.
        change: Change,
        /// Where the outcome goes.
        answer: oneshot::Sender<Result<Changed, Unchanged>>,
    },
    /// To ask custodians how keys stand there.
    Standings {
        /// Which keys.
        sought: Sought,
        /// Where the outcome goes.
        answer: oneshot::Sender<Result<Vec<KeyStanding>, Unchanged>>,
    },
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

    let (by, path) = (Administrator::User(uid), request.uri().path());
    let (change, sought) = (Change::of(path), Sought::of(path));
    if change.is_none() && sought.is_none() && path != RELOAD {
        return refusal(StatusCode::NOT_FOUND, "this gateway has no such command");
    }
    if request.method() != Method::POST {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "this takes POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }

    match (change, sought) {
        (Some((change, provider)), _) => {
            let provider = provider.to_owned();
            order(by, &orders, |answer| What::Change { provider, change, answer }).await
        }
        (None, Some(sought)) => order(by, &orders, |answer| What::Standings { sought, answer }).await,
        (None, None) => order(by, &orders, |answer| What::Reload(Some(answer))).await,
    }
}

/// Passes an order on, and waits for what comes of it.
async fn order<T: Serialize>(
    by: Administrator,
    orders: &mpsc::Sender<Order>,
    what: impl FnOnce(oneshot::Sender<Result<T, Unchanged>>) -> What,
) -> Response<Full<Bytes>> {
    let (answer, answered) = oneshot::channel();
    let outcome = match orders.send(Order { by, what: what(answer) }).await {
        Ok(()) => answered.await.ok(),
        Err(_stopping) => None,
    };

    match outcome {
        Some(Ok(done)) => json::response(StatusCode::OK, &done),
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
