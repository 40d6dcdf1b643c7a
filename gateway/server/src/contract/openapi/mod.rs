//! The description of every contract that is served, for tools: OpenAPI 3.1.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answered, Noted, Refusal};
use crate::request::{Body, Head};

/// What this is called in log and metrics.
pub(crate) const NAME: &str = "openapi";

/// Where the description is.
pub(crate) const PATH: &str = "/openapi.json";

/// Serves the description. It is the same for everybody, and says nothing of tenants.
#[derive(Debug)]
pub(crate) struct OpenApi {
    document: Bytes,
}

/// A part of the description: what it says of one contract, with paths relative to the contract's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part(&'static str);

impl Part {
    /// Of contract `remote_kms`.
    pub(crate) const REMOTE_KMS: Self = Self(include_str!("remote-kms.json"));
    /// Of contract `v1`.
    pub(crate) const V1: Self = Self(include_str!("v1.json"));
    /// Of contract `webhook`.
    pub(crate) const WEBHOOK: Self = Self(include_str!("webhook.json"));
}

impl OpenApi {
    /// Describes the contracts that are served, each at its path.
    pub(crate) fn new<'a>(served: impl IntoIterator<Item = (Part, &'a str)>) -> serde_json::Result<Self> {
        let document = describe(served)?;

        Ok(Self { document: serde_json::to_vec(&document)?.into() })
    }

    /// Answers one request.
    pub(crate) fn answer(&self, head: &Head, _: Body<'_>) -> Answered {
        let refusal = match (head.method(), head.segments().as_slice()) {
            (&Method::GET, []) => {
                let mut response = Response::new(Full::from(self.document.clone()));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                return Answered { response, noted: Noted::default() };
            }
            (_, []) => Refusal::WrongMethod { allow: "GET" },
            _ => Refusal::NoSuchPath,
        };

        let response = refused(&refusal, head);
        Answered { response, noted: Noted { refusal: Some(refusal), ..Noted::default() } }
    }
}

fn refused(refusal: &Refusal, head: &Head) -> Response<Full<Bytes>> {
    let allow = match refusal {
        Refusal::WrongMethod { allow } => Some(HeaderValue::from_static(allow)),
        Refusal::Body(_) | Refusal::Failed(_) | Refusal::NoSuchPath | Refusal::Unauthenticated(_) => None,
    };
    let status = if allow.is_some() { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND };

    let body = json!({
        "error": refusal.error().to_string(),
        "code": refusal.code(),
        "request_id": head.id.as_str(),
    });
    let mut response = crate::json::response(status, &body);
    response.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
    response
}

/// The whole description.
fn describe<'a>(served: impl IntoIterator<Item = (Part, &'a str)>) -> serde_json::Result<Value> {
    let (mut paths, mut responses, mut schemas) = (Map::new(), Map::new(), Map::new());
    for (Part(text), prefix) in served {
        let mut part: Value = serde_json::from_str(text)?;
        for (path, item) in taken(&mut part, "/paths") {
            paths.insert(format!("{prefix}{path}"), item);
        }
        responses.extend(taken(&mut part, "/components/responses"));
        schemas.extend(taken(&mut part, "/components/schemas"));
    }

    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keyport",
            "description": "A signing gateway.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "bearer": [] }, { "apiKey": [] }],
        "paths": paths,
        "components": {
            "responses": responses,
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    }))
}

/// The object at a place in a part.
fn taken(part: &mut Value, pointer: &str) -> Map<String, Value> {
    match part.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(object)) => object,
        Some(_) | None => Map::new(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
