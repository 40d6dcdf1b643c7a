//! An HTTPS client, and a server to use it on.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::wait::{eventually, within};

/// A server, and who issued its certificate.
#[derive(Clone)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    roots: Option<Arc<RootCertStore>>,
}

impl Server {
    /// A server whose certificate was issued by the authority in the file `ca`.
    pub(crate) fn new(address: SocketAddr, ca: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).expect("an authority")).expect("a certificate");

        Self { address, roots: Some(Arc::new(roots)) }
    }

    /// A server that speaks plain HTTP.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, roots: None }
    }

    /// A client of it, over HTTP/1.1.
    pub(crate) fn client(&self) -> Client {
        Client {
            server: self.clone(),
            protocol: Protocol::Http1,
            token: None,
            base: String::new(),
            header: None,
            connection: Mutex::default(),
        }
    }

    /// A TLS connection with these versions, for the protocol `alpn`.
    pub(crate) async fn connect(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &str,
    ) -> Result<TlsStream<TcpStream>> {
        let config = self.tls(versions)?.with_no_client_auth();

        self.handshake(config, alpn).await
    }

    /// The same, presenting a client certificate.
    pub(crate) async fn connect_as(
        &self,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<TlsStream<TcpStream>> {
        let config = self.tls(rustls::ALL_VERSIONS)?.with_client_auth_cert(vec![certificate], key)?;

        self.handshake(config, HTTP_1).await
    }

    fn tls(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
        let roots = self.roots.clone().context("this server does not speak TLS")?;

        Ok(ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)?
            .with_root_certificates(roots))
    }

    async fn handshake(&self, mut config: ClientConfig, alpn: &str) -> Result<TlsStream<TcpStream>> {
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::from(self.address.ip());

        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }
}

/// A client with one connection, which is made when it is needed.
pub(crate) struct Client {
    server: Server,
    protocol: Protocol,
    token: Option<String>,
    base: String,
    header: Option<(&'static str, String)>,
    connection: Mutex<Option<Sender>>,
}

/// Which version of HTTP a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The status, and with it the body for a test that fails.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl Client {
    /// Another client of the same server, that presents `token`.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.another() }
    }

    /// Another client of the same server, that presents nothing.
    pub(crate) fn without_token(&self) -> Self {
        Self { token: None, ..self.another() }
    }

    /// Another client of the same server, whose paths all begin with `base`.
    pub(crate) fn with_base(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.another() }
    }

    /// Another client of the same server, that sends one more header.
    pub(crate) fn with_header(&self, name: &'static str, value: &str) -> Self {
        Self { header: Some((name, value.to_owned())), ..self.another() }
    }

    /// Another client of the same server, over `protocol`.
    pub(crate) fn over(&self, protocol: Protocol) -> Self {
        Self { protocol, ..self.another() }
    }

    /// Another client that is just the same, with a connection of its own.
    pub(crate) fn another(&self) -> Self {
        Self {
            server: self.server.clone(),
            protocol: self.protocol,
            token: self.token.clone(),
            base: self.base.clone(),
            header: self.header.clone(),
            connection: Mutex::default(),
        }
    }

    /// What every path begins with.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The token that is presented.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// `GET path`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "").await
    }

    /// `POST path`.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.call(Method::POST, path, body).await
    }

    /// The same, again and again until there is what it is about: an entry of the audit log comes before the row that it is about.
    pub(crate) async fn post_when_there(&self, path: &str, body: &Value) -> Answer {
        eventually(path, async || {
            let answer = self.post(path, body.to_string()).await;
            (answer.status != 404).then_some(answer)
        })
        .await
    }

    /// Any request; there must be an answer to it.
    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.try_call(method, path, body, None).await.unwrap_or_else(|error| panic!("no answer: {error:#}"))
    }

    /// Any request with a request id, to which there may be no answer.
    pub(crate) async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        request_id: Option<&str>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method);
        request = match self.protocol {
            Protocol::Http1 => {
                request.uri(format!("{}{path}", self.base)).header(HOST, self.server.address.to_string())
            }
            Protocol::Http2 => request.uri(format!("https://{}{}{path}", self.server.address, self.base)),
        };
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some((name, value)) = &self.header {
            request = request.header(*name, value);
        }
        if let Some(id) = request_id {
            request = request.header("x-request-id", id);
        }

        let request = request.body(Full::new(body.into()))?;
        within("an answer", self.send(request)).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let mut connection = self.connection.lock().await;
        let mut sender = match connection.take() {
            Some(sender) if !sender.is_closed() => sender,
            Some(_) | None => self.open().await?,
        };
        let response = sender.send(request).await?;
        *connection = Some(sender);

        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    async fn open(&self) -> Result<Sender> {
        match (self.protocol, &self.server.roots) {
            (Protocol::Http1, Some(_)) => {
                http1(self.server.connect(rustls::ALL_VERSIONS, HTTP_1).await?).await
            }
            (Protocol::Http1, None) => http1(TcpStream::connect(self.server.address).await?).await,
            (Protocol::Http2, Some(_)) => {
                http2(self.server.connect(rustls::ALL_VERSIONS, HTTP_2).await?).await
            }
            (Protocol::Http2, None) => bail!("HTTP/2 is spoken over TLS only"),
        }
    }
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        Ok(match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => sender.send_request(request).await?,
        })
    }
}

async fn http1(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Sender> {
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    // How a connection ends shows in the answers.
    tokio::spawn(async move { drop(connection.await) });

    Ok(Sender::Http1(sender))
}

async fn http2(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Sender> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    tokio::spawn(async move { drop(connection.await) });

    Ok(Sender::Http2(sender))
}

const HTTP_1: &str = "http/1.1";
const HTTP_2: &str = "h2";
