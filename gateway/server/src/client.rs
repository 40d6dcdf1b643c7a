//! An HTTPS client for commands: one request, one connection, as a command asks seldom.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::http::request;
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use keyport_core::secret::Secret;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server, and who asks.
#[derive(Debug)]
pub(crate) struct Target {
    /// It begins with `https://`.
    pub(crate) url: String,
    /// The path where the URL has none.
    pub(crate) usual_path: &'static str,
    /// Who vouches for the server's certificate, PEM; without it, whom this machine trusts.
    pub(crate) ca: Option<PathBuf>,
    /// The bearer token.
    pub(crate) token: Option<Secret>,
    /// The files with a client certificate and its key, PEM.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// Asks one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    host: String,
    port: u16,
    authority: String,
    base: String,
    authorization: Option<HeaderValue>,
    tls: Arc<ClientConfig>,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    /// Prepares to ask; nothing is sent yet.
    pub(crate) fn new(target: Target) -> Result<Self> {
        let Target { url, usual_path, ca, token, identity } = target;
        let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        ensure!(uri.scheme_str() == Some("https"), "{url} does not begin with https://");
        let host = uri.host().with_context(|| format!("{url} names no host"))?;
        let base = match uri.path().trim_end_matches('/') {
            "" => usual_path,
            path => path,
        };
        let port = uri.port_u16().unwrap_or(443);

        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authority: format!("{host}:{port}"),
            base: base.to_owned(),
            authorization: token.as_ref().map(bearer).transpose()?,
            tls: Arc::new(tls(ca.as_deref(), identity)?),
        })
    }

    /// The same, with another bearer token or none.
    pub(crate) fn with_token(&self, token: Option<&Secret>) -> Result<Self> {
        Ok(Self { authorization: token.map(bearer).transpose()?, ..self.clone() })
    }

    /// Which server is asked, as `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The beginning of a request for what is at `path` below the URL, with the credential.
    pub(crate) fn request(&self, method: Method, path: &str) -> request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, self.authority.clone());

        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }

    /// Asks over a connection of its own.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        self.connect().await?.ask(request).await
    }

    /// A connection for several requests, one after the other.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // What is sent in pieces, as a handshake is, must not wait for acknowledgements.
        stream.set_nodelay(true)?;
        let name = match self.host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(self.host.clone())?,
        };
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How the connection ends shows in the answer.
        tokio::spawn(async move { drop(connection.await) });

        Ok(Connection(sender))
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    /// Asks, and waits for the whole answer.
    pub(crate) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();

        match Limited::new(body, LONGEST).collect().await {
            Ok(body) => Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() }),
            Err(error) => bail!("the answer broke off: {error}"),
        }
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue> {
    let mut authorization = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat())
        .context("the token's file holds no token")?;
    authorization.set_sensitive(true);
    Ok(authorization)
}

fn tls(ca: Option<&Path>, identity: Option<(PathBuf, PathBuf)>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).with_context(|| no_certificate(file))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);

    let Some((certificate, key)) = identity else { return Ok(config.with_no_client_auth()) };
    let no_key = || format!("{} holds no private key", key.display());
    let private = PrivateKeyDer::from_pem_file(&key).with_context(no_key)?;
    config.with_client_auth_cert(certificates(&certificate)?, private).with_context(no_key)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).with_context(|| no_certificate(file))?;

    certificates.map(|certificate| certificate.with_context(|| no_certificate(file))).collect()
}

fn no_certificate(file: &Path) -> String {
    format!("{} holds no certificate", file.display())
}

const LONGEST: usize = 16 * 1024 * 1024;
