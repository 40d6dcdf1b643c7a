//! The client of HTTPS that services are called with: one stack, with the operator's authorities and proxy and nobody else's.

use std::path::Path;
use std::time::Duration;

use keyport_core::{Failure, FailureKind};
use reqwest::{Client, Proxy, Request, Url};
use tokio::runtime::Handle;

use super::Shown;
use crate::http::exchange::{Exchange, Whole};
use crate::http::{TrustError, client, trust};

/// A client, and the runtime that its exchanges run on.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    client: Client,
    runtime: Handle,
}

impl Web {
    /// A client that believes the authorities in `ca` (without it, those of the operating system) and goes through `proxy`.
    /// The environment has no say. To be called on the runtime where exchanges shall run.
    ///
    /// Reads files.
    pub(crate) fn open(ca: Option<&Path>, proxy: Option<&str>) -> Result<Self, WebError> {
        let builder = client(trust(ca)?).connect_timeout(CONNECT).pool_max_idle_per_host(IDLE);
        let builder = match proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(WebError::Proxy)?),
            None => builder,
        };

        Ok(Self { client: builder.build().map_err(WebError::Client)?, runtime: Handle::current() })
    }

    /// The whole answer to `request`, whatever its status; a refusal does not repeat what the request proves itself with. It ends
    /// with the future.
    pub(crate) async fn ask(&self, request: Request) -> Result<Whole, Failure> {
        let shown = Shown::by(&request);
        let exchange = Exchange::begin(&self.runtime, self.client.clone(), request, LONGEST_ANSWER);

        let Whole { status, headers, body } = exchange.answer().await?.past_the_proxy()?;
        Ok(Whole { status, headers, body: shown.hidden(status, body) })
    }

    /// The same of `who`ever gives out access tokens. A call waits for it that is not to this one: so the failure names it and
    /// says what to do, in time for that call.
    pub(crate) async fn ask_for_token(
        &self,
        request: Request,
        who: &str,
        mend: &str,
    ) -> Result<Whole, Failure> {
        let silent = || Failure::new(FailureKind::Unavailable, format!("no answer in {} s", TOKEN.as_secs()));
        let answer = tokio::time::timeout(TOKEN, self.ask(request)).await;
        let answer = answer.unwrap_or_else(|_late| Err(silent()));

        answer.map_err(|failure| Failure {
            message: format!("{who} gave no access token: {}{mend}", failure.message),
            ..failure
        })
    }

    /// Where exchanges run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Host and port of a URL, and nothing else that may be before them.
pub(crate) fn host(url: &Url) -> &str {
    url.authority().rsplit('@').next().unwrap_or_default()
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// It cannot be made.
    #[error("a client of HTTP cannot be made")]
    Client(#[source] reqwest::Error),
    /// The proxy cannot be used.
    #[error("`proxy` cannot be used: write http://HOST:PORT")]
    Proxy(#[source] reqwest::Error),
    /// Nobody can be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// How long a connection may take; calls have deadlines besides.
const CONNECT: Duration = Duration::from_secs(10);
/// How long whoever gives out access tokens may take: less than any call that waits for one.
const TOKEN: Duration = Duration::from_secs(4);
/// Connections that wait for the next call.
const IDLE: usize = 64;
/// Bytes of an answer's body.
const LONGEST_ANSWER: usize = 256 << 10;
