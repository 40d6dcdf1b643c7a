//! Contract `v1`: the gateway's own, for programs that are written today.

mod batch;
mod endpoint;
mod error;
mod idempotency;
mod jwks;
mod query;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use keyport_core::gateway::{CreateRequest, RegisterRequest, VerifyRequest};
use keyport_core::key::{Key, KeyId, KeyName};
use keyport_core::{Error, Gateway};
use serde::Serialize;

pub(crate) use self::idempotency::Remembered;
pub(crate) use self::jwks::{KidForm, Publication};

use self::batch::Item;
use self::endpoint::{Endpoint, endpoint};
use self::idempotency::IdempotencyKey;
use self::jwks::KeySets;
use self::query::ListQuery;
use self::wire::Signing;
use super::{Answered, Asking, Noted, Refusal};
use crate::auth::Authenticator;
use crate::json;
use crate::request::{Body, Head};

/// The contract's name in configuration, log and metrics.
pub(crate) const NAME: &str = "v1";

/// Serves the contract.
#[derive(Debug)]
pub(crate) struct V1 {
    gateway: Arc<Gateway>,
    authenticator: Arc<Authenticator>,
    grace: Duration,
    creates: Arc<Remembered>,
    key_sets: KeySets,
}

/// What can be set about the contract.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// How long a deleted key is kept before it is destroyed.
    pub(crate) grace: Duration,
    /// The key sets that anybody may read.
    pub(crate) publications: Vec<Publication>,
}

/// What was asked for.
enum Asked {
    Create(CreateRequest, Option<IdempotencyKey>),
    Delete(KeyName),
    Get(KeyName),
    Import(CreateRequest),
    List(ListQuery),
    Providers,
    Register(RegisterRequest),
    Release(KeyName),
    Restore(KeyName, KeyId),
    Sign(Signing),
    SignAll(Vec<Item>),
    Verify(VerifyRequest),
}

impl V1 {
    /// `gateway` does the work, `authenticator` knows the callers, and `creates` outlives them.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        authenticator: Arc<Authenticator>,
        settings: Settings,
        creates: Arc<Remembered>,
    ) -> Self {
        let Settings { grace, publications } = settings;
        let key_sets = KeySets::new(publications);

        Self { gateway, authenticator, grace, creates, key_sets }
    }

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
        // What is published is for everybody: the one path without a credential.
        if let ["jwks", id] = head.segments().as_slice() {
            return self.key_sets.answer(&self.gateway, head, id).await;
        }

        let asking = noted.admit(NAME, head, (&self.gateway, &self.authenticator)).await?;

        match read(head, body, noted).await {
            Ok(asked) => Ok(self.perform(asking, asked).await?),
            Err(refusal) => Err(noted.record(&self.gateway, asking, refusal).await),
        }
    }

    async fn perform(&self, asking: Asking, asked: Asked) -> Result<Response<Full<Bytes>>, Error> {
        let gateway = &self.gateway;
        match asked {
            Asked::Create(request, key) => {
                let Asking { caller, context } = asking;
                created(&*self.creates.create(gateway, &caller, (context, request), key).await?)
            }
            Asked::Delete(name) => {
                match gateway.delete(&asking.caller, asking.context, name, self.grace).await? {
                    true => Ok(no_content()),
                    false => Err(Error::KeyNotFound),
                }
            }
            Asked::Get(name) => {
                ok(&wire::KeyObject::of(&*gateway.key(&asking.caller, asking.context, name).await?)?)
            }
            Asked::Import(request) => {
                created(&*gateway.create(&asking.caller, asking.context, request).await?)
            }
            Asked::List(query) => {
                let keys = gateway.keys(&asking.caller, asking.context).await?;
                ok(&wire::KeyPage::of(&query.page(keys))?)
            }
            Asked::Providers => ok(&wire::providers(&gateway.providers(&asking.caller.tenant))),
            Asked::Register(request) => {
                created(&*gateway.register(&asking.caller, asking.context, request).await?)
            }
            Asked::Release(name) => {
                gateway.release(&asking.caller, asking.context, name).await.map(|()| no_content())
            }
            Asked::Restore(name, id) => {
                let restored = gateway.restore(&asking.caller, asking.context, (name, id)).await?;
                ok(&wire::KeyObject::of(&restored)?)
            }
            Asked::Sign(signing) => self.sign(asking, signing).await,
            Asked::SignAll(items) => self.sign_all(asking, items).await,
            Asked::Verify(request) => {
                let verified = gateway.verify(&asking.caller, asking.context, request).await;
                ok(&wire::Verified { valid: verified.map_err(wire::respelt)? })
            }
        }
    }

    async fn sign(
        &self,
        asking: Asking,
        Signing { request, format }: Signing,
    ) -> Result<Response<Full<Bytes>>, Error> {
        let signed =
            self.gateway.sign(&asking.caller, asking.context, request).await.map_err(wire::respelt)?;

        ok(&wire::Signature::of(&signed, format)?)
    }
}

async fn read(head: &Head, body: Body<'_>, noted: &mut Noted) -> Result<Asked, Refusal> {
    let (endpoint, segment) = endpoint(head.method(), &head.segments())?;
    noted.operation = endpoint.operation();
    if let Some(segment) = segment {
        noted.key = Some(wire::name_in_path(segment)?);
    }
    // A body that an endpoint has no use for does not matter, but is read to its end.
    let body = body.read(BODY).await?;

    Ok(match (endpoint, noted.key.clone()) {
        (Endpoint::Create, _) => {
            let request = wire::create(&body)?;
            noted.key = Some(request.name.clone());
            Asked::Create(request, IdempotencyKey::read(head.headers())?)
        }
        (Endpoint::List, _) => Asked::List(ListQuery::read(head.query())?),
        (Endpoint::Providers, _) => Asked::Providers,
        (Endpoint::SignAll, _) => Asked::SignAll(batch::read(&body)?),
        (Endpoint::Delete, Some(name)) => Asked::Delete(name),
        (Endpoint::Get, Some(name)) => Asked::Get(name),
        (Endpoint::Import, Some(name)) => Asked::Import(wire::import(name, body)?),
        (Endpoint::Register, Some(name)) => Asked::Register(wire::register(name, &body)?),
        (Endpoint::Release, Some(name)) => Asked::Release(name),
        (Endpoint::Restore, Some(name)) => Asked::Restore(name, wire::restore(&body)?),
        (Endpoint::Sign, Some(name)) => Asked::Sign(wire::sign(name, &body)?),
        (Endpoint::Verify, Some(name)) => Asked::Verify(wire::verify(name, &body)?),
        (
            Endpoint::Delete
            | Endpoint::Get
            | Endpoint::Import
            | Endpoint::Register
            | Endpoint::Release
            | Endpoint::Restore
            | Endpoint::Sign
            | Endpoint::Verify,
            None,
        ) => return Err(Refusal::NoSuchPath),
    })
}

fn created(key: &Key) -> Result<Response<Full<Bytes>>, Error> {
    Ok(json::response(StatusCode::CREATED, &wire::KeyObject::of(key)?))
}

#[expect(clippy::unnecessary_wraps, reason = "every answer that is not an error passes through it")]
fn ok(body: &impl Serialize) -> Result<Response<Full<Bytes>>, Error> {
    Ok(json::response(StatusCode::OK, body))
}

fn no_content() -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// No longer body is legitimate, in bytes: a hundred signatures to be made.
const BODY: usize = 256 * 1024;

#[cfg(test)]
mod tests;

/// Reads a body as every request of this contract.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    let name = || KeyName::new("name", "a");
    drop(wire::create(body));
    drop(name().and_then(|name| wire::import(name, body.to_vec())));
    drop(name().and_then(|name| wire::register(name, body)));
    drop(name().and_then(|name| wire::sign(name, body)));
    drop(name().and_then(|name| wire::verify(name, body)));
    drop(wire::restore(body));
    drop(std::str::from_utf8(body).map(wire::name_in_path));
}
