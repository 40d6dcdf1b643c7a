//! One token as it is configured.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use keyport_core::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::worker::Program;

/// One token as it is configured.
#[derive(Clone, Debug)]
pub struct Connection {
    /// What logs call it.
    pub name: String,
    /// The vendor's library.
    pub module: PathBuf,
    /// Which of the library's tokens.
    pub token: TokenChoice,
    /// The token that it must be, as [`Backend::identity`](keyport_core::backend::Backend::identity) said it once;
    /// `None` takes any.
    pub identity: Option<String>,
    /// The user's PIN; `None` where the token wants none, or has a pad of its own to type it on.
    pub pin: Option<Secret>,
    /// Sessions that are kept open.
    pub sessions: NonZeroUsize,
    /// Calls that the module gets at once; what is more waits here.
    pub in_flight: NonZeroUsize,
    /// Whether sessions are opened without leave to write. No key is made or destroyed then.
    pub read_only: bool,
    /// How it is made sure that a signature is the key's own.
    pub verify: Verify,
    /// What the module can reach.
    pub network: Network,
    /// What `C_Initialize` gets as pReserved. NSS wants `configdir='sql:…' …`; others nothing.
    pub initialisation: Option<String>,
    /// How objects are labelled, for people: `{tenant}` and `{key}` stand for the key's own.
    pub label: String,
    /// How long the module may be at a call before it counts as hung. Making a key has ten times as long.
    pub call_timeout: Duration,
    /// What runs [`host`](super::host()): usually `/proc/self/exe pkcs11-host`. Its environment is what the module may see of
    /// the gateway's: see [`environment`](super::environment()).
    pub host: Program,
}

/// Which of a library's tokens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum TokenChoice {
    /// The one in this slot. Many libraries number their slots anew at every start.
    Slot(u64),
    /// The one with this label.
    Label(String),
    /// The one with this serial number.
    Serial(String),
}

/// How it is made sure that a signature is the key's own: handles of objects are kept, and when somebody else destroys an object,
/// some libraries give its handle to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verify {
    /// Custody verifies it with the key's public half: sure with any library, and dear with a token in software.
    Signature,
    /// The handle is enough: the library never gives one to another object, as SoftHSM, which counts on.
    Handle,
}

/// What a module can reach.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Network {
    /// Nothing but files, devices and sockets in the file system.
    None,
    /// What the machine can.
    Allowed,
}

impl fmt::Display for TokenChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "slot {slot}"),
            Self::Label(label) => write!(f, "label \"{label}\""),
            Self::Serial(serial) => write!(f, "serial \"{serial}\""),
        }
    }
}
