//! Custodians that speak HTTP and that this gateway has no words for: a provider words the requests, and this sends them.
//!
//! Where they go, whom TLS believes and the credential are the connection's, and no provider's. Names are looked up for each
//! connection, and lead only to public addresses or listed ones. Redirects are answers like any other.

mod address;
mod client;
pub(crate) mod exchange;
mod resolve;
mod trust;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ipnet::IpNet;
use keyport_core::backend::{Backend, Generate, Generated, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::outbound::{Inbound, Method, Outbound};
use keyport_core::public_key::PublicKey;
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Request, Url};
use tokio::runtime::Handle;

pub(crate) use client::client;
use exchange::{Exchange, Whole};
pub use resolve::Names;
#[cfg(feature = "vault")]
pub(crate) use trust::trust_as;
pub use trust::{TrustError, trust};

/// A custodian to be reached.
#[derive(Debug)]
pub struct Connection {
    /// Where it is: `https://HOST[:PORT][/PATH]`, which the requests' paths are added to. `http` is for addresses of this
    /// machine alone.
    pub url: String,
    /// Who vouches for it, PEM; without it, whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// What it wants to see.
    pub credential: Option<Credential>,
    /// Networks beside the public internet that it may be in.
    pub private_addresses: Vec<IpNet>,
    /// How long one exchange may take.
    pub timeout: Duration,
    /// Bytes of a response's body.
    pub response_size: usize,
}

/// A header field that every request carries, and no provider sees.
#[derive(Debug)]
pub struct Credential {
    /// Its name.
    pub header: String,
    /// Its value.
    pub value: Secret,
}

/// A custodian that takes requests.
#[derive(Debug)]
pub struct Http {
    client: Client,
    url: Url,
    credential: Option<(HeaderName, HeaderValue)>,
    timeout: Duration,
    response_size: usize,
    /// Where exchanges run: not on a guest's small stack, nor at its low priority.
    runtime: Handle,
}

impl Http {
    /// Prepares the connection; nothing is sent. To be called on the runtime where exchanges shall run.
    ///
    /// Reads the file of authorities.
    pub fn open(connection: Connection) -> Result<Self, OpenError> {
        Self::open_by(connection, Arc::new(resolve::System))
    }

    /// The same, with names looked up in `names`.
    pub fn open_by(connection: Connection, names: Arc<dyn Names>) -> Result<Self, OpenError> {
        let url = base(&connection.url)?;
        let host = url.host_str().ok_or(OpenError::Url)?;
        if !resolve::literal_is_allowed(host, &connection.private_addresses) {
            return Err(OpenError::Address(host.to_owned()));
        }

        let resolver = resolve::Checked { names, listed: connection.private_addresses.into() };
        let client = client(trust(connection.ca.as_deref())?)
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(connection.timeout)
            .build()
            .map_err(OpenError::Client)?;
        Ok(Self {
            client,
            url,
            credential: connection.credential.as_ref().map(field).transpose()?,
            timeout: connection.timeout,
            response_size: connection.response_size,
            runtime: Handle::current(),
        })
    }

    fn request(&self, request: &Outbound) -> Result<Request, Failure> {
        let invalid = |what: &str| Failure::new(FailureKind::InvalidArgument, what);
        // Concatenated, not resolved: what comes from a provider cannot replace what is the connection's.
        let url = format!("{}{}", self.url.as_str().trim_end_matches('/'), request.path);
        let url: Url = url.parse().map_err(|_bad| invalid("the path is none"))?;
        let mut wire = Request::new(method(request.method), url);

        for (name, value) in &request.headers {
            let name: HeaderName = name.parse().map_err(|_bad| invalid("a header field has no name"))?;
            let is_credential = self.credential.as_ref().is_some_and(|(credential, _)| *credential == name);
            if is_credential || OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
                return Err(invalid("a header field is the gateway's own to set"));
            }
            let value =
                HeaderValue::from_str(value).map_err(|_bad| invalid("a header field has no value"))?;
            wire.headers_mut().append(name, value);
        }
        if let Some((name, value)) = self.credential.clone() {
            wire.headers_mut().insert(name, value);
        }
        *wire.body_mut() = Some(request.body.clone().into());
        Ok(wire)
    }

    /// Whether a header or the body carries the credential: a service that shows what it was sent would hand it to the
    /// provider.
    fn shows_credential(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some((_, credential)) = &self.credential else { return false };
        // What stands before the last space says which kind of credential it is.
        let secret = credential.as_bytes().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        let shows = |bytes: &[u8]| bytes.windows(secret.len().max(1)).any(|window| window == secret);

        !secret.is_empty() && (shows(body) || headers.values().any(|value| shows(value.as_bytes())))
    }
}

#[async_trait]
impl Backend for Http {
    fn acts_outside(&self) -> bool {
        true
    }

    fn takes_requests(&self) -> bool {
        true
    }

    async fn send(
        &self,
        request: &Outbound,
        native_id: Option<&str>,
        deadline: Instant,
    ) -> Result<Inbound, Failure> {
        let (client, wire, limit) = (self.client.clone(), self.request(request)?, self.response_size);
        let exchange = Exchange::begin(&self.runtime, client, wire, limit);

        let deadline = tokio::time::Instant::from_std(deadline.min(now() + self.timeout));
        let Whole { status, headers, body } = exchange.until(deadline).await?;
        if self.shows_credential(&headers, &body) {
            return Err(Failure::new(
                FailureKind::Internal,
                "the answer carries the connection's credential",
            ));
        }
        let native_id =
            native_id.filter(|_| (200..300).contains(&status)).and_then(|place| named(&body, place));
        Ok(Inbound { status, headers: fields(&headers), body, native_id })
    }

    async fn generate(&self, _request: Generate, _deadline: Instant) -> Result<Generated, Failure> {
        Err(words())
    }

    async fn find(
        &self,
        _tenant: &TenantId,
        _key_id: KeyId,
        _deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        Err(words())
    }

    async fn public_key(&self, _object: &Object, _deadline: Instant) -> Result<PublicKey, Failure> {
        Err(words())
    }

    async fn sign(
        &self,
        _object: &Object,
        _mechanism: Mechanism,
        _input: &[u8],
        _deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        Err(words())
    }

    async fn destroy(&self, _object: &Object, _deadline: Instant) -> Result<(), Failure> {
        Err(words())
    }

    /// A provider asks by a request of its own.
    async fn health(&self, _deadline: Instant) -> Result<(), Failure> {
        Ok(())
    }
}

/// Why a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not a public one.
    #[error("`{0}` is no public address: list it in `private-addresses` if it is meant")]
    Address(String),
    /// The client cannot be made.
    #[error("a client of HTTP cannot be made")]
    Client(#[source] reqwest::Error),
    /// The credential cannot be sent.
    #[error("the credential is no header field")]
    Credential,
    /// Nobody can be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The URL is none that can be called.
    #[error("the URL must be https://HOST[:PORT][/PATH]; http:// is for addresses of this machine alone")]
    Url,
}

/// The URL that paths are added to.
pub fn base(text: &str) -> Result<Url, OpenError> {
    let url: Url = text.parse().map_err(|_bad| OpenError::Url)?;
    let host = url.host_str().ok_or(OpenError::Url)?;
    let is_loopback = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    let scheme = url.scheme() == "https" || url.scheme() == "http" && is_loopback;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();

    if scheme && plain && url.fragment().is_none() { Ok(url) } else { Err(OpenError::Url) }
}

fn field(credential: &Credential) -> Result<(HeaderName, HeaderValue), OpenError> {
    let name = credential.header.parse().map_err(|_bad| OpenError::Credential)?;
    let value = HeaderValue::from_bytes(credential.value.expose());
    let mut value = value.map_err(|_bad| OpenError::Credential)?;
    value.set_sensitive(true);

    Ok((name, value))
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Delete => reqwest::Method::DELETE,
        Method::Get => reqwest::Method::GET,
        Method::Patch => reqwest::Method::PATCH,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
    }
}

/// What the custodian calls the new key: text or a number at this place of its answer.
fn named(body: &[u8], place: &str) -> Option<NativeId> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let name = match answer.pointer(place)? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => return None,
    };

    let fits = !name.is_empty() && name.len() <= LONGEST_ID && !name.contains(char::is_control);
    fits.then(|| NativeId::new(name))
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
    };

    headers.iter().filter_map(text).collect()
}

fn words() -> Failure {
    let message = "this custodian takes requests: only its provider knows what to ask of it";

    Failure::new(FailureKind::Unsupported, message)
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What belongs to the connection, or says how the body is carried.
const OURS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Bytes of a name that a custodian gives a key.
const LONGEST_ID: usize = 1024;

/// What holds of the URL of a service, whatever is written.
#[cfg(any(fuzzing, test))]
pub fn fuzz(text: &str) {
    let Ok(url) = base(text) else { return };
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();

    assert!(is_bare && url.fragment().is_none() && ["http", "https"].contains(&url.scheme()), "{text}");
    assert!(
        url.scheme() == "https"
            || url.host_str().is_some_and(|host| host.starts_with("127.") || host == "[::1]"),
        "{text}"
    );
    let called = format!("{}/keys/a", url.as_str().trim_end_matches('/')).parse::<Url>();
    let is_there = |called: &Url| called.origin() == url.origin() && called.path().ends_with("/keys/a");
    assert!(called.is_ok_and(|called| is_there(&called)), "{text}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_service_is_reached_by_https_or_on_this_machine() {
        for url in
            ["https://kms.example", "https://kms.example:8443/v1/", "http://127.0.0.1:1", "http://[::1]/x"]
        {
            assert!(base(url).is_ok(), "{url}");
        }
        for other in [
            "",
            "kms.example",
            "http://kms.example",
            "http://localhost",
            "http://128.0.0.1",
            "https://me@kms.example",
            "https://kms.example?x",
            "https://kms.example/#x",
            "unix:/run/kms",
            "file:///kms",
        ] {
            assert!(base(other).is_err(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_nobody_else_is_called(
            scheme in "(https?|file|unix)?:?[/\\\\]{0,3}",
            rest in "(\\PC|[a-z0-9.:@/?#\\[\\]\\\\%]|127\\.0\\.0\\.1|localhost|\\[::1\\]){0,12}",
        ) {
            fuzz(&format!("{scheme}{rest}"));
        }
    }
}
