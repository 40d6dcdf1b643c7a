//! Keys that follow from a seed, for development.

use std::collections::BTreeSet;
use std::path::Path;

use keyport_core::name::Scope;

use super::connection::{Connection, Custodian};
use super::environment::secret_of;
use super::http::SecretSource;
use super::mistake::Problem;
use super::provider::Provider;
use super::section::Section;
use super::value::{name, path, text};

/// `[[connection]]` with `kind = "derived"`: a seed, and what keys are derived for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Derived {
    /// `[connection.seed]`: where the seed is.
    pub(crate) seed: SecretSource,
    /// `scope`: what keys are derived for beside their names; without it, each tenant's for the tenant.
    pub(crate) scope: Option<Scope>,
}

impl Derived {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        if !section.has("seed") {
            section.missing("seed", "seed = { file = \"seed\" } (made by: openssl rand -base64 32), or { environment = \"NAME\" }");
        }
        let seed = section.table("seed").and_then(|section| read_seed(section, folder));
        let scope = section.optional("scope", name);

        Some(Self { seed: seed?, scope })
    }
}

/// Refuses a connection with a scope that serves more tenants than one: keys of the same name would be the same key.
pub(super) fn check_scopes(top: &Section<'_>, connections: &[Connection], providers: &[Provider]) {
    for connection in connections {
        if !matches!(&connection.custodian, Custodian::Derived(Derived { scope: Some(_), .. })) {
            continue;
        }
        let granted = providers.iter().filter(|provider| provider.grants.on(&connection.name).is_some());
        let mut served = BTreeSet::new();
        let of_all = granted.map(|provider| provider.tenants.as_ref().map(|some| served.extend(some)));

        if of_all.collect::<Vec<_>>().contains(&None) || served.len() > 1 {
            top.mistake_at(
                "connection",
                Problem::new(
                    format!(
                        "connection `{}` has a `scope`, and is granted to providers of several tenants: \
                         where those give a key the same name, it would be the same key",
                        connection.name
                    ),
                    "write tenants = [\"…\"] with the one tenant in each [[provider]] that is granted it, or remove `scope`",
                ),
            );
        }
    }
}

fn read_seed(mut section: Section<'_>, folder: &Path) -> Option<SecretSource> {
    let file = section.optional("file", path(folder)).map(SecretSource::File);
    let variable = section.optional("environment", text);
    if section.has("file") == section.has("environment") {
        section.mistake(Problem::new(
            "[connection.seed] wants one of `file` and `environment`",
            "write file = \"seed\" (a file of mode 0600), or environment = \"NAME\"",
        ));
    }

    let environment = variable.and_then(|variable| secret_of(&section, &variable, "the seed"));
    section.end();
    file.or_else(|| environment.map(SecretSource::Environment))
}
