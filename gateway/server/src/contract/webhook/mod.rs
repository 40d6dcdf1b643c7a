//! Contract `webhook`: the SPIRL / Defakto Key Manager Extension, as a trust domain server calls it.

mod error;
mod wire;

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use keyport_core::audit::Operation;
use keyport_core::gateway::{CreateRequest, OnDuplicate, SignRequest};
use keyport_core::key::KeyName;
use keyport_core::{Error, Gateway};

use super::{Answered, Asking, Noted, Refusal};
use crate::auth::Authenticator;
use crate::json;
use crate::request::{Body, Head};

/// The contract's name in configuration, log and metrics.
pub(crate) const NAME: &str = "webhook";

/// Serves the contract.
#[derive(Debug)]
pub(crate) struct Webhook {
    /// What does the work.
    pub(crate) gateway: Arc<Gateway>,
    /// Who knows the callers.
    pub(crate) authenticator: Arc<Authenticator>,
    /// What creating a key does whose name is taken.
    pub(crate) on_duplicate: OnDuplicate,
}

/// What was asked for.
enum Asked {
    Create(CreateRequest),
    List,
    Release(KeyName),
    Sign(SignRequest),
}

impl Webhook {
    /// Answers one request.
    pub(crate) async fn answer(&self, head: &Head, body: Body<'_>) -> Answered {
        let mut noted = Noted::default();

        let response = match self.serve(head, body, &mut noted).await {
            Ok(response) => response,
            Err(refusal) => error::response(noted.refusal.insert(refusal), &head.id),
        };
        Answered { response, noted }
    }

    async fn serve(
        &self,
        head: &Head,
        body: Body<'_>,
        noted: &mut Noted,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let asking = noted.admit(NAME, head, (&self.gateway, &self.authenticator)).await?;

        match self.read(head, body, noted).await {
            Ok(asked) => Ok(self.perform(asking, asked).await?),
            Err(refusal) => Err(noted.record(&self.gateway, asking, refusal).await),
        }
    }

    /// The contract's table of contents.
    async fn read(&self, head: &Head, body: Body<'_>, noted: &mut Noted) -> Result<Asked, Refusal> {
        match (head.method(), head.segments().as_slice()) {
            (&Method::POST, ["keys"]) => {
                noted.operation = Operation::Create;
                let request = wire::create(&body.read(BODY).await?, self.on_duplicate)?;
                noted.key = Some(request.name.clone());
                Ok(Asked::Create(request))
            }
            (&Method::GET, ["keys"]) => {
                noted.operation = Operation::List;
                body.read(BODY).await?;
                Ok(Asked::List)
            }
            (&Method::POST, ["keys", name, "sign"]) => {
                noted.operation = Operation::Sign;
                let name = noted.key.insert(wire::name(name)?).clone();
                Ok(Asked::Sign(wire::sign(name, &body.read(BODY).await?)?))
            }
            (&Method::POST, ["keys", name, "release"]) => {
                noted.operation = Operation::Release;
                let name = noted.key.insert(wire::name(name)?).clone();
                // The body is documented to be empty. What is in it does not matter.
                body.read(BODY).await?;
                Ok(Asked::Release(name))
            }
            (_, ["keys"]) => Err(Refusal::WrongMethod { allow: "GET, POST" }),
            (_, ["keys", _, "sign" | "release"]) => Err(Refusal::WrongMethod { allow: "POST" }),
            _ => Err(Refusal::NoSuchPath),
        }
    }

    async fn perform(
        &self,
        Asking { caller, context }: Asking,
        asked: Asked,
    ) -> Result<Response<Full<Bytes>>, Error> {
        match asked {
            Asked::Create(request) => {
                let key = self.gateway.create(&caller, context, request).await?;
                Ok(json::response(StatusCode::CREATED, &wire::Created::of(&key)?))
            }
            Asked::List => {
                let keys = self.gateway.list(&caller, context).await?;
                Ok(json::response(StatusCode::OK, &wire::Listed::of(&keys)?))
            }
            Asked::Release(name) => {
                self.gateway.release(&caller, context, name).await?;
                Ok(Response::default())
            }
            Asked::Sign(request) => {
                let signed = self.gateway.sign(&caller, context, request).await?;
                Ok(json::response(StatusCode::OK, &wire::Signature::of(&signed)?))
            }
        }
    }
}

/// No longer body is legitimate, in bytes.
const BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests;

/// Reads a body as every request of this contract.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    drop(wire::create(body, OnDuplicate::Replace));
    drop(wire::name("a").and_then(|name| wire::sign(name, body)));
    drop(std::str::from_utf8(body).map(wire::name));
}
