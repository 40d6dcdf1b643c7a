//! Contract `remote_kms`: the remote key service that EUDIPLO's HTTP provider calls.

mod error;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use keyport_core::audit::Operation;
use keyport_core::caller::Caller;
use keyport_core::gateway::{CreateRequest, OnDuplicate, SignRequest};
use keyport_core::key::{Key, KeyName};
use keyport_core::name::ProviderName;
use keyport_core::{Error, Gateway};
use zeroize::Zeroizing;

use super::{Answered, Asking, Noted, Refusal};
use crate::auth::Authenticator;
use crate::json;
use crate::jwk::Algorithm;
use crate::request::{Body, Head};

/// The contract's name in configuration, log and metrics.
pub(crate) const NAME: &str = "remote_kms";

/// Serves the contract.
#[derive(Debug)]
pub(crate) struct RemoteKms {
    /// What does the work.
    pub(crate) gateway: Arc<Gateway>,
    /// Who knows the callers.
    pub(crate) authenticator: Arc<Authenticator>,
    /// What creating a key does whose name is taken.
    pub(crate) on_duplicate: OnDuplicate,
    /// How long a deleted key is kept before it is destroyed.
    pub(crate) grace: Duration,
}

/// What was asked for.
enum Asked {
    Create(CreateRequest, Algorithm),
    Delete(KeyName),
    Health,
    Sign(SignRequest),
}

impl RemoteKms {
    /// Answers one request.
    pub(crate) async fn answer(&self, head: &Head, body: Body<'_>) -> Answered {
        let mut noted = Noted::default();

        let response = match self.serve(head, body, &mut noted).await {
            Ok(response) => response,
            Err(refusal) => {
                let response = error::response(&refusal, &noted);
                noted.refusal = Some(refusal);
                response
            }
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
                let (request, algorithm) = wire::create(&body.read(BODY).await?, self.on_duplicate)?;
                noted.key = Some(request.name.clone());
                Ok(Asked::Create(request, algorithm))
            }
            (&Method::POST, ["keys", kid, "sign"]) => {
                noted.operation = Operation::Sign;
                let name = noted.key.insert(wire::name(kid)?).clone();
                Ok(Asked::Sign(wire::sign(name, &body.read(SIGN_BODY).await?)?))
            }
            (&Method::DELETE, ["keys", kid]) => {
                noted.operation = Operation::Delete;
                let name = noted.key.insert(wire::name(kid)?).clone();
                body.read(BODY).await?;
                Ok(Asked::Delete(name))
            }
            (&Method::POST, ["keys", kid, "import"]) => {
                noted.operation = Operation::Import;
                let name = noted.key.insert(wire::name(kid)?).clone();
                let body = Zeroizing::new(body.read(BODY).await?);
                let (request, algorithm) = wire::import(name, &body, self.on_duplicate)?;
                Ok(Asked::Create(request, algorithm))
            }
            (&Method::GET, ["health"]) => {
                noted.operation = Operation::List;
                body.read(BODY).await?;
                Ok(Asked::Health)
            }
            (_, ["keys"] | ["keys", _, "sign" | "import"]) => Err(Refusal::WrongMethod { allow: "POST" }),
            (_, ["keys", _]) => Err(Refusal::WrongMethod { allow: "DELETE" }),
            (_, ["health"]) => Err(Refusal::WrongMethod { allow: "GET" }),
            _ => Err(Refusal::NoSuchPath),
        }
    }

    async fn perform(
        &self,
        Asking { caller, context }: Asking,
        asked: Asked,
    ) -> Result<Response<Full<Bytes>>, Error> {
        match asked {
            Asked::Create(request, algorithm) => {
                let key = self.gateway.create(&caller, context, request).await?;
                Ok(json::response(StatusCode::OK, &wire::Created::of(&key, algorithm)?))
            }
            Asked::Delete(name) => {
                // Whether there was one is not told: the client takes both for done.
                self.gateway.delete(&caller, context, name, self.grace).await?;
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            Asked::Health => {
                let keys = self.gateway.list(&caller, context).await?;
                self.check_health(&caller, &keys)?;
                Ok(json::response(StatusCode::OK, &wire::Health::of(&keys)))
            }
            Asked::Sign(request) => {
                let signed = self.gateway.sign(&caller, context, request).await?;
                Ok(json::response(StatusCode::OK, &wire::Signature::of(&signed)))
            }
        }
    }

    /// Whether what the caller needs is well, as far as is known without asking: the audit log, the providers of its
    /// keys, and the one that makes new ones.
    fn check_health(&self, caller: &Caller, keys: &[Arc<Key>]) -> Result<(), Error> {
        if !self.gateway.readiness().audit_writable {
            return Err(Error::unavailable("the audit log cannot be written"));
        }

        let providers = self.gateway.providers(&caller.tenant);
        let mut ill = providers.iter().filter_map(|(loaded, health)| {
            let error = health.as_ref()?.error.as_ref()?;
            Some((&loaded.name, error))
        });
        let default = self.gateway.default_provider(&caller.tenant);
        let is_needed = |provider: &ProviderName| {
            default.as_ref() == Some(provider) || keys.iter().any(|key| key.provider == *provider)
        };

        match ill.find(|(provider, _)| is_needed(provider)) {
            Some((provider, error)) => Err(Error::unavailable(format!("provider `{provider}`: {error}"))),
            None => Ok(()),
        }
    }
}

/// No longer body is legitimate, in bytes.
const BODY: usize = 64 * 1024;
/// The same where the body holds a message, which is hashed here.
const SIGN_BODY: usize = 1024 * 1024;

#[cfg(test)]
mod tests;

/// Reads a body as every request of this contract.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    drop(wire::create(body, OnDuplicate::Conflict));
    drop(wire::name("a").and_then(|name| wire::sign(name, body)));
    drop(wire::name("a").and_then(|name| wire::import(name, body, OnDuplicate::Conflict)));
    drop(std::str::from_utf8(body).map(wire::name));
}
