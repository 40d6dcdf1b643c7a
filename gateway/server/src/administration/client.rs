//! Asks the gateway that runs on a data folder.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use keyport_core::name::ProviderName;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::socket::{self, Name};
use super::{Change, Changed, KeyStanding, RELOAD, Reloaded, Sought, Unchanged};

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody listens.
    #[error("no gateway runs on {}", .0.display())]
    NoGateway(PathBuf),
    /// The socket does not let this user in.
    #[error("{} is for root and for the user whose process the gateway is", .0.display())]
    Forbidden(PathBuf),
    /// The socket cannot be used.
    #[error("cannot connect to {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The conversation ended too soon.
    #[error("the gateway broke off: its log says what became of it")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing came in all that time.
    #[error("the gateway did not answer within {} s: its log says what became of it", PATIENCE.as_secs())]
    Late,
}

/// Has the gateway on `data` read its configuration and certificates again, and waits for what comes of it.
pub(crate) async fn reload(data: &Path) -> Result<Result<Reloaded, Unchanged>, AskError> {
    outcome(data, RELOAD).await
}

/// Has the gateway on `data` serve by another version of a provider.
pub(crate) async fn change(
    data: &Path,
    provider: &ProviderName,
    change: Change,
) -> Result<Result<Changed, Unchanged>, AskError> {
    outcome(data, &change.path(provider.as_str())).await
}

/// How keys stand at their custodians, as the gateway on `data` is told.
pub(crate) async fn standings(
    data: &Path,
    sought: &Sought,
) -> Result<Result<Vec<KeyStanding>, Unchanged>, AskError> {
    outcome(data, &sought.path()).await
}

async fn outcome<T: DeserializeOwned>(data: &Path, path: &str) -> Result<Result<T, Unchanged>, AskError> {
    let (status, body) = timeout(PATIENCE, ask(data, path)).await.map_err(|_late| AskError::Late)??;

    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map(Ok).map_err(broken);
    }
    serde_json::from_slice(&body).map(Err).map_err(broken)
}

async fn ask(data: &Path, path: &str) -> Result<(StatusCode, Bytes), AskError> {
    let stream = connect(data).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // How the connection ends shows in the answer.
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder().method(Method::POST).uri(path).header(HOST, "keyport");
    let request = request.body(Empty::<Bytes>::new()).map_err(broken)?;

    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(AskError::Broken)?;
    Ok((status, body.to_bytes()))
}

async fn connect(data: &Path) -> Result<UnixStream, AskError> {
    let connecting = async {
        // The name holds until the connection is made.
        let name = Name::of(data)?;
        UnixStream::connect(&name).await
    };

    connecting.await.map_err(|cause| {
        let is = |kind| cause.kind() == kind;
        // A socket that refuses was left by a gateway that was killed.
        if is(io::ErrorKind::NotFound) || is(io::ErrorKind::ConnectionRefused) {
            AskError::NoGateway(data.to_owned())
        } else if is(io::ErrorKind::PermissionDenied) {
            AskError::Forbidden(socket::path(data))
        } else {
            AskError::Connect { path: socket::path(data), cause }
        }
    })
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> AskError {
    AskError::Broken(Box::new(cause))
}

/// Components are compiled meanwhile, and there may be many.
const PATIENCE: Duration = Duration::from_secs(300);
const LONGEST: usize = 4 * 1024 * 1024;
