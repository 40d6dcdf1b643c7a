//! How core's failures are sent: core has no wire types, so they are described here, and a new kind does not build until
//! it is listed.

use std::time::Duration;

use keyport_core::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

/// A failure as it is sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Sent(#[serde(with = "FailureDef")] pub Failure);

/// [`Failure`], for serde.
#[derive(Deserialize, Serialize)]
#[serde(remote = "Failure")]
#[expect(missing_debug_implementations, reason = "serde never makes one")]
pub struct FailureDef {
    #[serde(with = "FailureKindDef")]
    kind: FailureKind,
    code: u32,
    message: String,
    retry_after: Option<Duration>,
}

/// [`FailureKind`], for serde.
#[derive(Deserialize, Serialize)]
#[serde(remote = "FailureKind")]
#[expect(missing_debug_implementations, missing_docs, reason = "serde never makes one; see core's")]
pub enum FailureKindDef {
    InvalidArgument,
    NotFound,
    KeyGone,
    Exists,
    Denied,
    Credentials,
    OperatorNeeded,
    Unsupported,
    Throttled,
    Unavailable,
    Internal,
    Other,
}
