//! The names that one part of a configuration gives and another refers to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keyport_core::name::TenantId;

use super::connection::Connection;
use super::mistake::Problem;
use super::section::Section;
use super::value::{Value, one_of};

/// What there is to refer to.
#[derive(Debug)]
pub(super) struct Names {
    connections: Vec<Connection>,
    written_connections: BTreeSet<String>,
    providers: BTreeSet<String>,
    tenants: BTreeSet<String>,
    issuers: BTreeSet<String>,
    folder: PathBuf,
    client_ca: Option<PathBuf>,
    allow_testing: bool,
}

impl Names {
    /// Collects them ahead of the reading, so that a mistake inside a provider is not reported a second time where a
    /// tenant refers to it.
    pub(super) fn collect(top: &mut Section<'_>) -> Self {
        Self {
            connections: Vec::new(),
            written_connections: top.names("connection"),
            providers: top.names("provider"),
            tenants: top.names("tenant"),
            issuers: top.names("issuer"),
            folder: PathBuf::new(),
            client_ca: None,
            allow_testing: false,
        }
    }

    /// The same, with these connections: those that were read without a mistake.
    pub(super) fn with_connections(self, connections: Vec<Connection>) -> Self {
        Self { connections, ..self }
    }

    /// The same, where what is for tests may be referred to, or may not.
    pub(super) fn with_testing(self, allow_testing: bool) -> Self {
        Self { allow_testing, ..self }
    }

    /// Whether what is for tests may be referred to.
    pub(super) fn allow_testing(&self) -> bool {
        self.allow_testing
    }

    /// The same, in a file of `folder`; `client_ca` vouches for the clients of tenants that say nothing else.
    pub(super) fn with_files(self, folder: &Path, client_ca: Option<PathBuf>) -> Self {
        Self { folder: folder.to_owned(), client_ca, ..self }
    }

    /// The folder of the file.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who vouches for the clients of tenants that say nothing else.
    pub(super) fn client_ca(&self) -> Option<&PathBuf> {
        self.client_ca.as_ref()
    }

    /// Reads a reference to an issuer: its place among all, by name.
    pub(super) fn issuer(&self) -> impl Fn(&Value<'_>) -> Result<usize, Problem> {
        |value| {
            let text = value.text()?;
            self.issuers.iter().position(|known| known == text).ok_or_else(|| {
                let known: Vec<_> = self.issuers.iter().map(String::as_str).collect();
                Problem::new(format!("there is no issuer {}", value.shown()), one_of(text, &known))
            })
        }
    }

    /// Reads a reference to a connection; `None` where there is one of this name, with a mistake that is told there.
    pub(super) fn connection<'a>(&'a self) -> impl Fn(&Value<'_>) -> Result<Option<&'a Connection>, Problem> {
        |value| {
            let text = value.text()?;
            let found = self.connections.iter().find(|connection| connection.name.as_str() == text);
            if found.is_some() || self.written_connections.contains(text) {
                return Ok(found);
            }

            let known: Vec<_> = self.written_connections.iter().map(String::as_str).collect();
            Err(Problem::new(format!("there is no connection {}", value.shown()), one_of(text, &known)))
        }
    }

    /// Whether a connection of this name is written, be it with a mistake.
    pub(super) fn is_connection(&self, name: &str) -> bool {
        self.written_connections.contains(name)
    }

    /// Every connection.
    pub(super) fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The same, when nothing refers to them any more.
    pub(super) fn into_connections(self) -> Vec<Connection> {
        self.connections
    }

    /// Reads a reference to a tenant.
    pub(super) fn tenant(&self) -> impl Fn(&Value<'_>) -> Result<TenantId, Problem> {
        |value| refer("tenant", &self.tenants, value)
    }

    /// Reads a reference to a provider.
    pub(super) fn provider<T: std::str::FromStr>(&self) -> impl Fn(&Value<'_>) -> Result<T, Problem> {
        |value| refer("provider", &self.providers, value)
    }
}

/// Reads a name that must not be taken, and takes it.
pub(super) fn unique<T: Clone + Ord>(
    taken: &mut BTreeSet<T>,
    parse: impl Fn(&Value<'_>) -> Result<T, Problem>,
) -> impl FnMut(&Value<'_>) -> Result<T, Problem> {
    move |value| {
        let name = parse(value)?;
        if !taken.insert(name.clone()) {
            return Err(Problem::new(format!("{} is taken", value.shown()), "use every name once"));
        }
        Ok(name)
    }
}

fn refer<T: std::str::FromStr>(
    what: &str,
    known: &BTreeSet<String>,
    value: &Value<'_>,
) -> Result<T, Problem> {
    let text = value.text()?;
    known.iter().find(|known| *known == text).and_then(|known| known.parse().ok()).ok_or_else(|| {
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        Problem::new(format!("there is no {what} {}", value.shown()), one_of(text, &known))
    })
}
