//! The wire APIs, one folder each; here is only what all of them have in common.

pub(crate) mod webhook;

use std::sync::Arc;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use keyport_core::Error;
use keyport_core::audit::Operation;
use keyport_core::caller::Caller;
use keyport_core::key::KeyName;

use crate::auth::Denial;
use crate::request::{BadBody, Body, Head};

/// One inbound wire API.
#[derive(Debug)]
pub(crate) enum Contract {
    /// The SPIRL / Defakto Key Manager Extension.
    Webhook(webhook::Webhook),
}

impl Contract {
    /// Its name in configuration, log and metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => webhook::NAME,
        }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, head: &Head, body: Body<'_>) -> Answered {
        match self {
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

impl Noted {
    /// `ok`, or the refusal's code.
    pub(crate) fn outcome(&self) -> &'static str {
        self.refusal.as_ref().map_or("ok", Refusal::code)
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
