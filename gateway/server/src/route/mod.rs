//! Finds the contract a request is for, names the request, and observes what became of it.

mod hold;
mod observe;
mod stray;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Version};
use keyport_core::name::RequestId;
use keyport_core::outside::Outside;

use self::hold::Hold;
use self::observe::log;
use self::stray::{Stray, is_plain};
use crate::contract::{Answered, Contract, Noted, Refusal};
use crate::listen::Answer;
use crate::request::{Body, Head};
use crate::telemetry::{Served, Telemetry};

/// Every contract, by path.
#[derive(Debug)]
pub(crate) struct Routes {
    routes: ArcSwap<Vec<Route>>,
    hold: Hold,
    timeout: Duration,
    outside: Outside,
    telemetry: Arc<Telemetry>,
}

/// One contract and where it is.
#[derive(Debug)]
pub(crate) struct Route {
    /// What its paths begin with: `/` and segments, without a `/` at the end.
    pub(crate) path: String,
    /// The contract.
    pub(crate) contract: Contract,
}

impl Routes {
    /// `timeout` bounds the time from a request's head to its answer.
    pub(crate) fn new(
        routes: Vec<Route>,
        timeout: Duration,
        outside: Outside,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let routes = ArcSwap::from_pointee(sorted(routes));

        Self { routes, hold: Hold::new(), timeout, outside, telemetry }
    }

    /// Serves `routes` from now on. Requests in flight end on those that they began with.
    pub(crate) fn replace(&self, routes: Vec<Route>) {
        self.routes.store(Arc::new(sorted(routes)));
    }

    async fn serve(&self, parts: Parts, body: Incoming, id: RequestId) -> Response<Full<Bytes>> {
        let begun = self.outside.clock.now();
        let name = id.clone();
        let status = |response: &Response<Full<Bytes>>| response.status().as_u16();

        let routes = self.routes.load_full();
        let (contract, response, noted) = match find(&routes, &parts) {
            Ok(Route { path, contract }) => {
                let deadline = begun + self.timeout;
                let body = Body::new(body, &parts.headers, deadline, &self.outside);
                let head = Head::new(id, deadline, parts, path.len());
                let Answered { response, noted } = contract.answer(&head, body).await;
                self.hold.wait(&noted, deadline, &self.outside).await;
                (contract.name(), response, noted)
            }
            Err(stray) => {
                let refusal = Some(stray.refusal());
                (NO_CONTRACT, stray.response(&id), Noted { refusal, ..Noted::default() })
            }
        };
        let took = self.outside.clock.now().saturating_duration_since(begun);
        self.observe(contract, &noted, took);
        log(contract, &name, &noted, (status(&response), took));
        response
    }

    fn observe(&self, contract: &'static str, noted: &Noted, took: Duration) {
        if let Some(Refusal::Unauthenticated(denial)) = &noted.refusal {
            self.telemetry.unauthenticated(contract, denial.as_str());
        }

        let operation = noted.operation.as_str();
        self.telemetry.served(Served { contract, operation, outcome: noted.outcome() }, took);
    }

    /// The name its sender gave the request, or one made here.
    fn name(&self, headers: &HeaderMap) -> Option<(RequestId, HeaderValue)> {
        let mut given = headers.get_all(&REQUEST_ID).iter();
        if let (Some(value), None) = (given.next(), given.next())
            && value.len() <= LONGEST_ID
            && let Ok(id) = value.to_str().unwrap_or_default().parse()
        {
            return Some((id, value.clone()));
        }

        let (mut random, mut text) = ([0; 16], [0; 32]);
        self.outside.random.fill(&mut random);
        hex::encode_to_slice(random, &mut text).ok()?;
        let value = HeaderValue::from_bytes(&text).ok()?;
        Some((value.to_str().ok()?.parse().ok()?, value))
    }
}

impl Answer for Routes {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let Some((id, header)) = self.name(&parts.headers) else {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return response;
        };

        let mut response = self.serve(parts, body, id).await;
        response.headers_mut().insert(REQUEST_ID, header);
        response
    }
}

fn find<'r>(routes: &'r [Route], parts: &Parts) -> Result<&'r Route, Stray> {
    let uri = &parts.uri;
    if !uri.path().starts_with('/') {
        return Err(Stray::Form);
    }
    if parts.version < Version::HTTP_2 {
        // Absolute forms are for proxies (RFC 9112, section 3.2.2), and HTTP/2 has no other.
        if uri.authority().is_some() {
            return Err(Stray::Form);
        }
        let hosts = parts.headers.get_all(HOST).iter().count();
        if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
            return Err(Stray::Host);
        }
    }
    if !is_plain(uri.path()) {
        return Err(Stray::Path);
    }

    let is_below = |route: &&'r Route| {
        uri.path().strip_prefix(&route.path).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    routes.iter().find(is_below).ok_or(Stray::NoContract)
}

/// The longest path that fits is the one that is meant.
fn sorted(mut routes: Vec<Route>) -> Vec<Route> {
    routes.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
    routes
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 64;
const NO_CONTRACT: &str = "none";

#[cfg(test)]
mod tests;
