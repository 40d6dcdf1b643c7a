//! State-changing administration: HTTP/1 over a Unix socket in the data folder, for root and the gateway's own user.

mod client;
mod server;
mod socket;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Mistakes;

pub(crate) use self::client::reload;
pub(crate) use self::server::{Administration, Order};

/// Who asks for a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Administrator {
    /// Whoever may send the gateway signals.
    Signal,
    /// The user of this id, as the kernel says it.
    User(u32),
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal => f.write_str("SIGHUP"),
            Self::User(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// What a reload took over.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Reloaded {
    /// The configuration that was read.
    pub(crate) file: PathBuf,
    /// What is different now, a line each; nothing where the file says what it said before.
    pub(crate) changes: Vec<String>,
    /// When the certificate that was read expires, as in RFC 3339.
    pub(crate) certificate_expires: String,
}

/// Why nothing was changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Unchanged {
    /// In words, and whole.
    pub(crate) error: String,
    /// Line by line, where the configuration is wrong in itself.
    pub(crate) mistakes: Option<Mistakes>,
}

/// The one path there is.
const RELOAD: &str = "/reload";

#[cfg(test)]
mod tests;
