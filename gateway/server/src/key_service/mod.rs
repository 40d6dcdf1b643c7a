//! A little key service with a REST interface, to write and try providers against: real keys, kept in memory.
//!
//! | request | answer |
//! |---|---|
//! | `POST /keys {"name": TEXT, "type": "ec-p256"}` | 201 `{"id": TEXT, "public_key": BASE64}`; 200 for a name that it has |
//! | `GET /keys/ID` | 200, the same |
//! | `POST /keys/ID/sign {"scheme": "ecdsa(sha-256)", "digest": BASE64}` | 200 `{"signature": BASE64}`; `message` where the scheme takes one |
//! | `DELETE /keys/ID` | 204; 404 where there is none |
//! | `GET /health` | 200 `{"status": "ok"}` |
//!
//! Public halves are SubjectPublicKeyInfo, DER; ECDSA signatures are r and s. Every request carries `Authorization: Bearer
//! TOKEN`; without it the answer is 401. Errors are `{"error": TEXT}`.

mod keys;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response, StatusCode};
use keyport_core::backend::Backend;
use keyport_core::outside::Outside;
use keyport_core::{Error, Failure, FailureKind};
use serde_json::json;

use crate::json;
use crate::listen::Answer;
use crate::token::Token;
use keys::Keys;

/// The service.
#[derive(Debug)]
pub(crate) struct KeyService {
    keys: Keys,
    authorization: String,
    outside: Outside,
}

impl KeyService {
    /// A service without keys, which makes them in `custodian` for whoever has the token.
    pub(crate) fn new(custodian: Arc<dyn Backend>, token: &Token, outside: &Outside) -> Self {
        Self {
            keys: Keys::new(custodian, outside),
            authorization: format!("Bearer {}", token.expose()),
            outside: outside.clone(),
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refusal> {
        let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        if verify_slices_are_equal(given, self.authorization.as_bytes()).is_err() {
            return Err(Refusal(StatusCode::UNAUTHORIZED, "wants Authorization: Bearer TOKEN".to_owned()));
        }
        let (head, body) = request.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?.to_bytes();
        let deadline = self.outside.clock.now() + PATIENCE;

        let segments: Vec<_> = head.uri.path().split('/').skip(1).collect();
        match (&head.method, segments.as_slice()) {
            (&Method::GET, ["health"]) => Ok(json::response(StatusCode::OK, &json!({ "status": "ok" }))),
            (&Method::POST, ["keys"]) => {
                let (key, is_new) = self.keys.create(&json::object(&body)?, deadline).await?;
                Ok(json::response(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &key))
            }
            (&Method::GET, ["keys", id]) => Ok(json::response(StatusCode::OK, &self.keys.get(id)?)),
            (&Method::POST, ["keys", id, "sign"]) => {
                let signed = self.keys.sign(id, &json::object(&body)?, deadline).await?;
                Ok(json::response(StatusCode::OK, &signed))
            }
            (&Method::DELETE, ["keys", id]) => {
                self.keys.destroy(id, deadline).await?;
                let mut gone = Response::new(Full::default());
                *gone.status_mut() = StatusCode::NO_CONTENT;
                Ok(gone)
            }
            _ => Err(Refusal(StatusCode::NOT_FOUND, "no such operation".to_owned())),
        }
    }
}

impl Answer for KeyService {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.serve(request).await {
            Ok(response) => response,
            Err(Refusal(status, error)) => json::response(status, &json!({ "error": error })),
        }
    }
}

/// A status, and why.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::InvalidArgument | FailureKind::Unsupported => StatusCode::BAD_REQUEST,
            FailureKind::NotFound | FailureKind::KeyGone => StatusCode::NOT_FOUND,
            FailureKind::Credentials
            | FailureKind::Denied
            | FailureKind::Exists
            | FailureKind::Internal
            | FailureKind::OperatorNeeded
            | FailureKind::Other => StatusCode::INTERNAL_SERVER_ERROR,
            FailureKind::Throttled | FailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };

        Self(status, failure.message)
    }
}

/// Bytes of a request's body.
const LARGEST: usize = 1 << 20;

/// How long the custodian may take: RSA key pairs are slow.
const PATIENCE: Duration = Duration::from_secs(60);
