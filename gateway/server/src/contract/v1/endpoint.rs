//! The contract's table of contents.

use hyper::Method;
use keyport_core::audit::Operation;

use crate::contract::Refusal;

/// What a method and a path ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    Create,
    Delete,
    Get,
    Import,
    List,
    Providers,
    Register,
    Release,
    Restore,
    Sign,
    SignAll,
    Verify,
}

impl Endpoint {
    /// The operation that it is in the audit log.
    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Create => Operation::Create,
            Self::Delete => Operation::Delete,
            Self::Get | Self::List => Operation::List,
            Self::Import => Operation::Import,
            Self::Providers => Operation::Request,
            Self::Register => Operation::Register,
            Self::Release => Operation::Release,
            Self::Restore => Operation::Restore,
            Self::Sign | Self::SignAll => Operation::Sign,
            Self::Verify => Operation::Verify,
        }
    }
}

/// What is asked for, and the segment that names the key where the path has one.
pub(super) fn endpoint<'a>(
    method: &Method,
    segments: &[&'a str],
) -> Result<(Endpoint, Option<&'a str>), Refusal> {
    let found = match (method, segments) {
        (&Method::GET, ["keys"]) => (Endpoint::List, None),
        (&Method::POST, ["keys"]) => (Endpoint::Create, None),
        (&Method::GET, ["keys", name]) => (Endpoint::Get, Some(*name)),
        (&Method::DELETE, ["keys", name]) => (Endpoint::Delete, Some(*name)),
        (&Method::POST, ["keys", name, "import"]) => (Endpoint::Import, Some(*name)),
        (&Method::POST, ["keys", name, "register"]) => (Endpoint::Register, Some(*name)),
        (&Method::POST, ["keys", name, "release"]) => (Endpoint::Release, Some(*name)),
        (&Method::POST, ["keys", name, "restore"]) => (Endpoint::Restore, Some(*name)),
        (&Method::POST, ["keys", name, "sign"]) => (Endpoint::Sign, Some(*name)),
        (&Method::POST, ["keys", name, "verify"]) => (Endpoint::Verify, Some(*name)),
        (&Method::GET, ["providers"]) => (Endpoint::Providers, None),
        (&Method::POST, ["sign"]) => (Endpoint::SignAll, None),
        (_, ["keys"]) => return Err(Refusal::WrongMethod { allow: "GET, POST" }),
        (_, ["keys", _]) => return Err(Refusal::WrongMethod { allow: "DELETE, GET" }),
        (_, ["keys", _, "import" | "register" | "release" | "restore" | "sign" | "verify"] | ["sign"]) => {
            return Err(Refusal::WrongMethod { allow: "POST" });
        }
        (_, ["providers"]) => return Err(Refusal::WrongMethod { allow: "GET" }),
        _ => return Err(Refusal::NoSuchPath),
    };

    Ok(found)
}
