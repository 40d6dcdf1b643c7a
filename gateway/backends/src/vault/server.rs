//! The server, reached by HTTP.

use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;

use keyport_core::Failure;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Proxy, Request, Url};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::connection::{Connection, OpenError};
use crate::cloud::Shown;
use crate::http::exchange::{Exchange, Whole};
use crate::http::{base, client, trust, trust_as};

/// Where requests go, and whom TLS believes.
#[derive(Debug)]
pub(super) struct Server {
    address: Url,
    namespace: Option<HeaderValue>,
    ca: Option<PathBuf>,
    proxy: Option<String>,
    /// How many connections are worth keeping.
    idle: usize,
    pub(super) runtime: Handle,
}

/// A request.
#[derive(Clone)]
pub(super) struct Ask {
    method: Method,
    /// What comes after `/v1/`.
    path: String,
    body: Option<Vec<u8>>,
    /// What in the body nobody may read in an answer.
    secret: Option<Zeroizing<String>>,
    /// What a policy must allow on the path.
    capability: &'static str,
}

/// A login's body is shown to nobody.
impl Debug for Ask {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(connection: &Connection) -> Result<Self, OpenError> {
        let namespace = connection.namespace.as_deref().map(HeaderValue::from_str).transpose();

        Ok(Self {
            address: base(&connection.address).map_err(OpenError::Address)?,
            // Its characters were checked.
            namespace: namespace.map_err(|_bad| OpenError::Credential("the namespace".to_owned()))?,
            ca: connection.ca.clone(),
            proxy: connection.proxy.clone(),
            idle: connection.in_flight.get(),
            runtime: Handle::current(),
        })
    }

    /// A client; with an identity, it shows that in TLS.
    ///
    /// Reads the file of authorities.
    pub(super) fn client(
        &self,
        identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Client, OpenError> {
        let tls: ClientConfig = match identity {
            Some(identity) => trust_as(self.ca.as_deref(), identity)?,
            None => trust(self.ca.as_deref())?,
        };
        let builder = client(tls).pool_max_idle_per_host(self.idle);

        let builder = match &self.proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(OpenError::Proxy)?),
            None => builder,
        };
        builder.build().map_err(OpenError::Client)
    }

    /// Sends a request. An answer of any status is an answer; a refusal does not repeat what the request proves itself with.
    pub(super) async fn send(
        &self,
        client: &Client,
        ask: &Ask,
        token: Option<&HeaderValue>,
    ) -> Result<Whole, Failure> {
        let url = self.url(&ask.path);
        let mut request = Request::new(ask.method.clone(), url);
        let headers = request.headers_mut();

        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(token) = token {
            headers.insert(TOKEN, token.clone());
        }
        // What is asked of the whole server is asked in no namespace.
        if let Some(namespace) = self.namespace.clone().filter(|_| !ask.is_of_the_server()) {
            headers.insert(NAMESPACE, namespace);
        }
        *request.body_mut() = ask.body.clone().map(Into::into);
        let shown = Shown::by(&request).and(ask.secret.as_ref().map(|secret| secret.as_str()));
        let exchange = Exchange::begin(&self.runtime, client.clone(), request, LARGEST);

        let Whole { status, headers, body } = exchange.answer().await?.past_the_proxy()?;
        Ok(Whole { status, headers, body: shown.hidden(status, body) })
    }

    /// The address of what is asked for, with its query.
    fn url(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.address.clone();

        url.set_path(&format!("{}/v1/{path}", self.address.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }
}

impl Ask {
    /// Something to be read.
    pub(super) fn read(path: String) -> Self {
        Self { method: Method::GET, path, body: None, secret: None, capability: "read" }
    }

    /// Something to be done, or made.
    pub(super) fn update(path: String, body: &Value) -> Self {
        let body = Some(body.to_string().into_bytes());

        Self { method: Method::POST, path, body, secret: None, capability: "create and update" }
    }

    /// A login, which this secret in the body is for.
    pub(super) fn login(mount: &str, body: &Value, secret: Option<Zeroizing<String>>) -> Self {
        Self { secret, ..Self::update(format!("auth/{mount}/login"), body) }
    }

    /// Something to be deleted.
    pub(super) fn delete(path: String) -> Self {
        Self { method: Method::DELETE, path, body: None, secret: None, capability: "delete" }
    }

    /// What it asks for, for the operator.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The refusal where the policies of a valid token do not allow it.
    pub(super) fn denied(&self, refused: &Failure) -> Failure {
        let Self { path, capability, .. } = self;
        let message = format!(
            "{}; the token is valid: give one of its policies {capability} on `{path}`",
            refused.message
        );

        Failure { message, ..refused.clone() }
    }

    fn is_of_the_server(&self) -> bool {
        self.path.starts_with("sys/health")
    }
}

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Agents that stand before the server may demand it, as browsers do not send it.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
/// Bytes of an answer: a key is described with all of its versions and their certificates.
const LARGEST: usize = 1 << 20;
