//! One request, one connection: a command asks seldom.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::profile::Target;

/// Asks one gateway.
#[derive(Debug)]
pub(super) struct Client {
    host: String,
    port: u16,
    base: String,
    authorization: HeaderValue,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// Prepares to ask; nothing is sent yet.
    pub(super) fn new(Target { url, ca, token }: Target) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        ensure!(uri.scheme_str() == Some("https"), "{url} does not begin with https://");
        let host = uri.host().with_context(|| format!("{url} names no host"))?;
        let base = match uri.path().trim_end_matches('/') {
            "" => "/v1",
            path => path,
        };

        let mut authorization = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat())
            .context("the token's file holds no token")?;
        authorization.set_sensitive(true);
        let mut roots = RootCertStore::empty();
        let unreadable = || format!("{} holds no certificate", ca.display());
        for certificate in CertificateDer::pem_file_iter(&ca).with_context(unreadable)? {
            roots.add(certificate.with_context(unreadable)?).with_context(unreadable)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();

        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(443),
            base: base.to_owned(),
            authorization,
            tls: Arc::new(tls),
        })
    }

    /// What the gateway answers; null where it says nothing but that it is done.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let asked = tokio::time::timeout(PATIENCE, self.ask(method, path, body)).await;

        let (status, body) = asked
            .context("the gateway does not answer")?
            .with_context(|| format!("cannot ask {}:{}", self.host, self.port))?;
        let answer = match body.is_empty() {
            true => Value::Null,
            false => {
                serde_json::from_slice(&body).context("the answer is not JSON: is this a gateway's v1?")?
            }
        };
        if status.is_success() {
            return Ok(answer);
        }
        let text = |field| answer.get(field).and_then(Value::as_str).unwrap_or("unknown");
        bail!("{} ({status}, {}, request {})", text("error"), text("code"), text("request_id"))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Bytes)> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;

        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let name = match self.host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(self.host.clone())?,
        };
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How the connection ends shows in the answer.
        tokio::spawn(async move { drop(connection.await) });

        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        match body {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) => bail!("the answer broke off: {error}"),
        }
    }
}

/// Longer than the gateway takes for anything.
const PATIENCE: Duration = Duration::from_secs(150);
const LONGEST: usize = 16 * 1024 * 1024;
