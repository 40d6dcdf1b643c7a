//! What the contracts have in common, and how each of them spells it.

use hyper::Method;
use serde_json::{Value, json};

/// A contract that servers can be tried for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Contract {
    /// EUDIPLO's HTTP provider
    RemoteKms,
    /// The gateway's own
    V1,
    /// The SPIRL / Defakto Key Manager Extension
    Webhook,
}

impl Contract {
    /// What it is called on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RemoteKms => "remote-kms",
            Self::V1 => "v1",
            Self::Webhook => "webhook",
        }
    }

    /// Where it is when a URL has no path.
    pub(crate) fn usual_path(self) -> &'static str {
        match self {
            Self::RemoteKms | Self::Webhook => "",
            Self::V1 => "/v1",
        }
    }

    /// What asks for a key on P-256.
    pub(super) fn create(self, name: &str) -> Value {
        match self {
            Self::RemoteKms => json!({ "kid": name, "alg": "ES256" }),
            Self::V1 => json!({ "name": name, "type": "ec-p256" }),
            Self::Webhook => json!({ "key_id": name, "key_type": "EC-P256" }),
        }
    }

    /// What a create is answered with.
    pub(super) fn created(self) -> u16 {
        match self {
            Self::RemoteKms => 200,
            Self::V1 | Self::Webhook => 201,
        }
    }

    /// What asks a key on P-256 for a signature.
    pub(super) fn sign(self) -> Value {
        // Base64 of 32 bytes: a digest where one is wanted, and a message elsewhere.
        let bytes = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
        match self {
            Self::RemoteKms => json!({ "data": bytes, "alg": "ES256" }),
            Self::V1 => json!({ "digest": bytes }),
            Self::Webhook => json!({ "digest": bytes, "hash_algorithm": "SHA-256" }),
        }
    }

    /// The field of a create that names the key.
    pub(super) fn name_field(self) -> &'static str {
        match self {
            Self::RemoteKms => "kid",
            Self::V1 => "name",
            Self::Webhook => "key_id",
        }
    }

    /// What a client reads first, and may read as often as it wants.
    pub(super) fn readable(self) -> &'static str {
        match self {
            Self::RemoteKms => "/health",
            Self::V1 | Self::Webhook => "/keys",
        }
    }

    /// What gives a key up, whose name is in a path as `segment`.
    pub(super) fn give_up(self, segment: &str) -> (Method, String) {
        match self {
            Self::RemoteKms | Self::V1 => (Method::DELETE, format!("/keys/{segment}")),
            Self::Webhook => (Method::POST, format!("/keys/{segment}/release")),
        }
    }

    /// Whether it is described to the last field. Of the others, what is known is what their clients do.
    pub(super) fn is_ours(self) -> bool {
        self == Self::V1
    }

    /// Whether its facts say what an error's body is.
    pub(super) fn documents_errors(self) -> bool {
        match self {
            Self::RemoteKms | Self::V1 => true,
            Self::Webhook => false,
        }
    }
}
