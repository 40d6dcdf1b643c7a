//! Requests that are for no contract.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use keyport_core::Error;
use keyport_core::name::RequestId;

use crate::contract::Refusal;
use crate::request::percent_decoded;

/// Why a request is for no contract. Nobody is authenticated yet, and no contract's vocabulary applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stray {
    /// The request target is no path.
    Form,
    /// It is not said once which host is meant.
    Host,
    /// No contract is at this path.
    NoContract,
    /// The path could be read in more than one way.
    Path,
}

impl Stray {
    /// The refusal, for log and metrics.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Form => Refusal::Failed(Error::invalid("request target", "must be a path")),
            Self::Host => Refusal::Failed(Error::invalid("Host", "must be there exactly once")),
            Self::NoContract => Refusal::NoSuchPath,
            Self::Path => Refusal::Failed(Error::invalid(
                "path",
                "must be printable ASCII, the rest percent-encoded, without . and .. as segments",
            )),
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Form | Self::Host | Self::Path => StatusCode::BAD_REQUEST,
            Self::NoContract => StatusCode::NOT_FOUND,
        }
    }

    /// What is sent.
    pub(super) fn response(self, id: &RequestId) -> Response<Full<Bytes>> {
        let refusal = self.refusal();
        let body = serde_json::json!({
            "error": refusal.error().to_string(),
            "code": refusal.code(),
            "request_id": id.as_str(),
        });

        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// Whether every reader of a path would take it for the same: nothing that must be encoded is not, and no segment
/// means another one, encoded or not.
pub(super) fn is_plain(path: &str) -> bool {
    let means_another =
        |segment: &str| percent_decoded(segment).is_some_and(|text| matches!(&*text, "." | ".."));

    path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.split('/').any(means_another)
}
