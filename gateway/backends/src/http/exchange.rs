//! One request and its answer, on the runtime where the backend was opened: not on a guest's small stack, nor at its low
//! priority.

use std::error::Error;

use keyport_core::{Failure, FailureKind};
use reqwest::header::HeaderMap;
use reqwest::{Client, Request, Response};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::resolve;

/// An answer with all of its body.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Whole {
    /// It, unless a proxy on the way answered for itself.
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
    pub(crate) fn past_the_proxy(self) -> Result<Self, Failure> {
        at_the_proxy(self.status).map_or(Ok(self), Err)
    }
}

/// An exchange that ends with its future.
pub(crate) struct Exchange(JoinHandle<Result<Whole, Failure>>);

impl Exchange {
    /// Sends `request`. Of the answer's body, no more than `limit` bytes are taken.
    pub(crate) fn begin(runtime: &Handle, client: Client, request: Request, limit: usize) -> Self {
        Self(runtime.spawn(async move {
            let response = client.execute(request).await.map_err(|error| lost(&error))?;
            whole(response, limit).await
        }))
    }

    /// The answer, if it comes before the deadline.
    pub(crate) async fn until(self, deadline: tokio::time::Instant) -> Result<Whole, Failure> {
        let answer = tokio::time::timeout_at(deadline, self.answer()).await;

        answer.unwrap_or_else(|_late| {
            Err(Failure::new(FailureKind::Unavailable, "the custodian did not answer in time"))
        })
    }

    /// The answer, whenever it comes.
    pub(crate) async fn answer(mut self) -> Result<Whole, Failure> {
        match (&mut self.0).await {
            Ok(answer) => answer,
            Err(broken) => Err(Failure::new(FailureKind::Internal, broken.to_string())),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The response, if its body is not too large.
async fn whole(mut response: Response, limit: usize) -> Result<Whole, Failure> {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        if body.len() + chunk.len() > limit {
            let message = format!("the custodian's answer has more than {limit} bytes");
            return Err(Failure::new(FailureKind::Internal, message));
        }
        body.extend_from_slice(&chunk);
    }

    Ok(Whole { status, headers, body })
}

/// The failure of what a proxy answered for itself (RFC 9110, section 15.5.8).
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
pub(crate) fn at_the_proxy(status: u16) -> Option<Failure> {
    (status == 407).then(|| Failure::new(FailureKind::OperatorNeeded, STRANGER))
}

/// What ended an exchange, for the operator.
pub(crate) fn lost(error: &reqwest::Error) -> Failure {
    let mut message = "no answer".to_owned();
    let mut cause: Option<&dyn Error> = Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }

    if resolve::was_refused(error) {
        return Failure::new(FailureKind::Denied, message);
    }
    // Whoever asks a proxy for a way to a server of TLS hears no more of its answer than this.
    if message.contains("proxy authorization required") {
        return Failure::new(FailureKind::OperatorNeeded, STRANGER);
    }
    let Some((_, why)) = message.split_once("invalid peer certificate: ") else {
        return Failure::new(FailureKind::Unavailable, message);
    };
    // The latter is of an authority that is called the same.
    if why.starts_with("UnknownIssuer") || why.starts_with("BadSignature") {
        message.push_str("; name the authority that vouches for it in `ca`");
    }
    Failure::new(FailureKind::OperatorNeeded, message)
}

const STRANGER: &str = "the proxy wants a login, and the gateway logs in at none: let this machine through, or set another `proxy`";
