//! Administration of a running gateway: HTTP/1 over a Unix socket in the data folder, for root and the gateway's own user.

mod client;
mod keys;
mod server;
mod socket;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Mistakes;

pub(crate) use self::client::{change, reload, standings};
pub(crate) use self::keys::{AtCustodian, KeyStanding, Sought};
pub(crate) use self::server::{Administration, Order, What};

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
    /// Which versions of providers are withdrawn, and stay so; a line each.
    pub(crate) withdrawn: Vec<String>,
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

/// What can be done about a provider's newer version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// The version before serves again.
    Rollback,
    /// The newer one, which was withdrawn, serves again.
    Readmit,
}

/// A provider whose newer version was withdrawn, or serves again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Changed {
    /// Its name.
    pub(crate) provider: String,
    /// The newer version's digest.
    pub(crate) newer: String,
    /// The digest of the one before.
    pub(crate) established: String,
}

impl Change {
    const ALL: [Self; 2] = [Self::Rollback, Self::Readmit];

    /// The path that asks for it.
    fn path(self, provider: &str) -> String {
        match self {
            Self::Rollback => format!("/providers/{provider}/rollback"),
            Self::Readmit => format!("/providers/{provider}/readmit"),
        }
    }

    /// What a path asks for, and of which provider.
    fn of(path: &str) -> Option<(Self, &str)> {
        let (provider, _) = path.strip_prefix("/providers/")?.split_once('/')?;

        Self::ALL.into_iter().find(|change| change.path(provider) == path).map(|change| (change, provider))
    }
}

/// The path that has the configuration read again.
const RELOAD: &str = "/reload";

#[cfg(test)]
mod tests;
