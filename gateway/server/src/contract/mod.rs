//! The wire APIs, one folder each; here is only what all of them have in common.

pub(crate) mod openapi;
pub(crate) mod remote_kms;
pub(crate) mod v1;
pub(crate) mod webhook;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use keyport_core::audit::Operation;
use keyport_core::caller::Caller;
use keyport_core::gateway::Context;
use keyport_core::key::KeyName;
use keyport_core::{Error, Gateway};

use crate::auth::{Authenticator, Denial};
use crate::request::{BadBody, Body, Head};

/// One inbound wire API.
#[derive(Debug)]
pub(crate) enum Contract {
    /// No wire API of its own, but the description of all.
    OpenApi(openapi::OpenApi),
    /// EUDIPLO's HTTP provider.
    RemoteKms(remote_kms::RemoteKms),
    /// The gateway's own.
    V1(v1::V1),
    /// The SPIRL / Defakto Key Manager Extension.
    Webhook(webhook::Webhook),
}

impl Contract {
    /// Its name in configuration, log and metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::OpenApi(_) => openapi::NAME,
            Self::RemoteKms(_) => remote_kms::NAME,
            Self::V1(_) => v1::NAME,
            Self::Webhook(_) => webhook::NAME,
        }
    }

    /// What describes it to tools.
    pub(crate) fn part(&self) -> Option<openapi::Part> {
        match self {
            Self::OpenApi(_) => None,
            Self::RemoteKms(_) => Some(openapi::Part::REMOTE_KMS),
            Self::V1(_) => Some(openapi::Part::V1),
            Self::Webhook(_) => Some(openapi::Part::WEBHOOK),
        }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, head: &Head, body: Body<'_>) -> Answered {
        match self {
            Self::OpenApi(openapi) => openapi.answer(head, body),
            Self::RemoteKms(remote_kms) => remote_kms.answer(head, body).await,
            Self::V1(v1) => v1.answer(head, body).await,
            Self::Webhook(webhook) => webhook.answer(head, body).await,
        }
    }
}

/// An answer, and what is to be observed of it.
#[derive(Debug)]
pub(crate) struct Answered {
    /// What is sent.
    pub(crate) response: Response<Full<Bytes>>,
    /// What log and metrics are told.
    pub(crate) noted: Noted,
}

/// What a contract notes of a request, for log and metrics.
#[derive(Debug)]
pub(crate) struct Noted {
    /// Who asked, once that is known.
    pub(crate) caller: Option<Arc<Caller>>,
    /// About which key, once that is known.
    pub(crate) key: Option<KeyName>,
    /// For what, once that is known.
    pub(crate) operation: Operation,
    /// Why it was not done.
    pub(crate) refusal: Option<Refusal>,
}

/// Who asks, and in which request.
#[derive(Clone, Debug)]
struct Asking {
    caller: Arc<Caller>,
    context: Context,
}

impl Noted {
    /// Finds out who asks, over the contract `name`.
    async fn admit(
        &mut self,
        name: &'static str,
        head: &Head,
        (gateway, authenticator): (&Gateway, &Authenticator),
    ) -> Result<Asking, Refusal> {
        let caller = authenticator.authenticate(head).await.map_err(|denial| {
            gateway.unauthenticated(name, denial.as_str());
            Refusal::Unauthenticated(denial)
        })?;
        self.caller = Some(Arc::clone(&caller));

        let context = Context { request_id: head.id.clone(), contract: name, deadline: head.deadline };
        Ok(Asking { caller, context })
    }

    /// `ok`, or the refusal's code.
    pub(crate) fn outcome(&self) -> &'static str {
        self.refusal.as_ref().map_or("ok", Refusal::code)
    }

    /// Records the refusal of a request that could not be read. Where that fails, the failure is the answer.
    async fn record(
        &self,
        gateway: &Gateway,
        Asking { caller, context }: Asking,
        refusal: Refusal,
    ) -> Refusal {
        let deadline = match &refusal {
            // It used up the time there was; recording it needs some more.
            Refusal::Body(BadBody::TooSlow) => context.deadline + RECORDING,
            Refusal::Body(BadBody::Broken | BadBody::TooLarge { .. })
            | Refusal::Failed(_)
            | Refusal::NoSuchPath
            | Refusal::Unauthenticated(_)
            | Refusal::WrongMethod { .. } => context.deadline,
        };
        let context = Context { deadline, ..context };

        match gateway.refused(&caller, &context, (self.operation, self.key.clone()), refusal.error()).await {
            error if error.is_refusal() => refusal,
            error => Refusal::Failed(error),
        }
    }
}

impl Default for Noted {
    fn default() -> Self {
        Self { caller: None, key: None, operation: Operation::Request, refusal: None }
    }
}

/// Why a request was not done. The list is closed, and every contract maps it totally.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// Its body cannot be used.
    Body(BadBody),
    /// The gateway said no.
    Failed(Error),
    /// The contract has no such path.
    NoSuchPath,
    /// Nobody knows its sender.
    Unauthenticated(Denial),
    /// The path is there, and takes other methods.
    WrongMethod {
        /// Which, as the `Allow` header lists them.
        allow: &'static str,
    },
}

impl Refusal {
    /// The refusal's name in bodies, log and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Body(BadBody::Broken) => "broken_body",
            Self::Body(BadBody::TooLarge { .. }) => "body_too_large",
            Self::Body(BadBody::TooSlow) => "body_too_slow",
            Self::Failed(error) => error.code(),
            Self::NoSuchPath => "no_such_path",
            Self::Unauthenticated(_) => Error::Unauthenticated.code(),
            Self::WrongMethod { .. } => "method_not_allowed",
        }
    }

    /// The refusal as the gateway and its audit log have it.
    pub(crate) fn error(&self) -> Error {
        match self {
            Self::Body(BadBody::Broken) => Error::invalid("body", "ended too soon or is framed wrongly"),
            Self::Body(BadBody::TooLarge { limit }) => {
                Error::invalid("body", format!("is longer than {limit} bytes"))
            }
            Self::Body(BadBody::TooSlow) => Error::invalid("body", "did not arrive in time"),
            Self::Failed(error) => error.clone(),
            Self::NoSuchPath => Error::invalid("path", "there is nothing here"),
            Self::Unauthenticated(_) => Error::Unauthenticated,
            Self::WrongMethod { allow } => Error::invalid("method", format!("must be one of {allow}")),
        }
    }
}

impl From<BadBody> for Refusal {
    fn from(bad: BadBody) -> Self {
        Self::Body(bad)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

const RECORDING: Duration = Duration::from_secs(2);

/// A `Retry-After` in whole seconds, at least one (RFC 9110, section 10.2.3).
pub(crate) fn retry_after_seconds(time: Duration) -> HeaderValue {
    let seconds = time.as_millis().div_ceil(1000).clamp(1, 86_400);

    HeaderValue::from(u64::try_from(seconds).unwrap_or(1))
}
