//! The names that one part of a configuration gives and another refers to.

use std::collections::BTreeSet;

use keyport_core::name::TenantId;

use super::connection::Connection;
use super::mistake::Problem;
use super::section::Section;
use super::value::{Value, one_of};

/// What there is to refer to.
#[derive(Debug)]
pub(super) struct Names {
    connections: Vec<Connection>,
    providers: BTreeSet<String>,
    tenants: BTreeSet<String>,
}

impl Names {
    /// Collects them ahead of the reading, so that a mistake inside a provider is not reported a second time where a
    /// tenant refers to it.
    pub(super) fn collect(top: &mut Section<'_>, connections: Vec<Connection>) -> Self {
        Self { connections, providers: top.names("provider"), tenants: top.names("tenant") }
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
