//! Fetches an issuer's documents: over TLS, within bounds, and from nowhere else than it was told.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use keyport_core::outside::Outside;
use rustls_pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::assemble::{TrustError, trust};

/// An `https` URL; `http` is for this machine alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Location {
    secure: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    path: String,
}

impl Location {
    /// Another document at the same place.
    fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }
}

impl FromStr for Location {
    type Err = BadLocation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_syntax| BadLocation)?;
        let authority = uri.authority().ok_or(BadLocation)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_loopback(&host) => false,
            _ => return Err(BadLocation),
        };
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(BadLocation);
        }

        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { secure, host, port, path })
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Why a text is no [`Location`].
#[derive(Debug, thiserror::Error)]
#[error("must be an https:// URL without a user; http:// is for addresses of this machine alone")]
pub(crate) struct BadLocation;

/// A server that documents are fetched from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Remote {
    /// Where it is.
    pub(crate) location: Location,
    /// Who vouches for it, PEM; without it, whom the operating system trusts. Read at every fetch.
    pub(crate) ca: Option<PathBuf>,
    /// What it wants to see: a file with a bearer token. Read at every fetch.
    pub(crate) token: Option<PathBuf>,
    /// How long one exchange may take.
    pub(crate) timeout: Duration,
}

impl Remote {
    /// Whether the files it needs are there, and right.
    pub(super) fn check(&self) -> Result<(), FetchError> {
        if self.location.secure {
            tls(self.ca.as_deref())?;
        }
        self.token.as_deref().map_or(Ok(()), |token| authorization(token).map(drop))
    }

    /// The document at its location.
    pub(super) async fn get(&self, outside: &Outside) -> Result<Vec<u8>, FetchError> {
        let deadline = outside.clock.now() + self.timeout;

        Box::pin(outside.within(deadline, self.fetch())).await.unwrap_or(Err(FetchError::TooSlow))
    }

    /// The document at `path`.
    pub(super) async fn get_at(&self, path: &str, outside: &Outside) -> Result<Vec<u8>, FetchError> {
        Self { location: self.location.with_path(path), ..self.clone() }.get(outside).await
    }

    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        let Location { host, port, .. } = &self.location;
        let files = self.clone();
        let (tls, authorization) = tokio::task::spawn_blocking(move || {
            let tls = files.location.secure.then(|| tls(files.ca.as_deref())).transpose()?;
            let authorization = files.token.as_deref().map(authorization).transpose()?;
            Ok::<_, FetchError>((tls, authorization))
        })
        .await
        .map_err(|broken| FetchError::Connection(io::Error::other(broken)))??;
        let mut request = Request::get(&self.location.path)
            .header(HOST, self.host())
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| FetchError::Connection(io::Error::other(error)))?;
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }

        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(FetchError::Connection)?;
        match tls {
            None => ask(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(FetchError::Host)?;
                let stream = tls.connect(name, stream).await.map_err(FetchError::Connection)?;
                ask(stream, request).await
            }
        }
    }

    fn host(&self) -> String {
        let Location { host, port, .. } = &self.location;

        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())
    }
}

/// Redirects are not followed: only the configuration says where keys come from.
async fn ask(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Vec<u8>, FetchError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .handshake(TokioIo::new(io))
        .await
        .map_err(FetchError::Http)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(FetchError::Http)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(FetchError::Body)?;
        Ok(body.to_bytes().into())
    };

    // The connection lives no longer than the exchange, so that nothing outlives its time. How it ends shows there.
    tokio::select! {
        biased;
        document = exchange => document,
        never = async { drop(connection.await); pending::<Infallible>().await } => match never {},
    }
}

fn tls(ca: Option<&Path>) -> Result<TlsConnector, FetchError> {
    Ok(Arc::new(trust(ca)?).into())
}

fn authorization(token: &Path) -> Result<HeaderValue, FetchError> {
    let text =
        std::fs::read_to_string(token).map_err(|cause| FetchError::Token { path: token.into(), cause })?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim()))
        .map_err(|bad| FetchError::Token { path: token.into(), cause: io::Error::other(bad) })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The document broke off, or is larger than any legitimate one.
    #[error("the document cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no connection.
    #[error("no connection")]
    Connection(#[source] io::Error),
    /// The name of the server is none that a certificate can have.
    #[error("the name of the server is no host name")]
    Host(#[source] InvalidDnsNameError),
    /// What the server speaks is not HTTP.
    #[error("no HTTP answer")]
    Http(#[source] hyper::Error),
    /// The answer is something else than a document. Redirects are not followed.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The token's file cannot be used.
    #[error("cannot use the token in {path}")]
    Token {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It took too long.
    #[error("no answer in time")]
    TooSlow,
    /// Nobody could vouch for the server.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// A set of a hundred RSA keys has some 50 KiB, in bytes.
const LARGEST: usize = 256 * 1024;
const HEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        let location: Location = "https://keys.test/a?b=c".parse().unwrap();
        assert_eq!(
            (location.host.as_str(), location.port, location.path.as_str()),
            ("keys.test", 443, "/a?b=c")
        );
        let location: Location = "http://[::1]:8080".parse().unwrap();
        assert_eq!((location.host.as_str(), location.port, location.path.as_str()), ("::1", 8080, "/"));

        for bad in [
            "",
            "keys.test",
            "/keys",
            "http://keys.test/",
            "http://localhost/",
            "ftp://keys.test/",
            "https://me:secret@keys.test/",
            "https://",
        ] {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
    }
}
