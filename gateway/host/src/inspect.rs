//! What a component is and needs, found out without serving anybody with it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyport_core::grant::{ConnectionKind, Grant, Grants, Use};
use keyport_core::name::{ComponentDigest, ProviderName};
use keyport_core::provider::Loaded;

use crate::host::{Host, HostOptions};
use crate::imports::{Need, Offer};
use crate::instances::Instances;
use crate::limits::Limits;
use crate::load::{Source, check};
use crate::refusal::Refusal;

/// What a component is and needs.
#[derive(Debug)]
pub struct Inspection {
    /// What it is pinned by.
    pub digest: ComponentDigest,
    /// Its bytes.
    pub size: usize,
    /// What it imports, by name.
    pub imports: Vec<Import>,
    /// What it exports, by name.
    pub exports: Vec<String>,
    /// What it says of itself; why it would be refused, where it would.
    pub loaded: Result<Loaded, Refusal>,
    /// Bytes of memory that it had when it said that; 0 where it did not.
    pub memory: usize,
}

/// What a component is pinned by, which takes no look inside.
///
/// Fails where it is no component.
pub fn identify(bytes: &[u8]) -> Result<ComponentDigest, Refusal> {
    check(bytes, None, HostOptions::COMPONENT_SIZE)
}

/// Something that a component imports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// Whether this gateway has it to give.
    pub is_known: bool,
    /// What must be granted for it; `None` where it is everybody's.
    pub needs: Option<Need>,
}

impl Import {
    /// The kind of connection that must be granted for it, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ConnectionKind> {
        match self.needs? {
            Need::Connection(kind) => Some(kind),
            Need::Wasi => None,
        }
    }
}

impl Host {
    /// Looks at a component: reads what it imports and exports, and asks it what it is within these limits, as if
    /// everything that it imports were granted. It is not trusted, and what it asks for goes to this host's capabilities.
    ///
    /// Fails where it is no component.
    pub async fn inspect(
        self: &Arc<Self>,
        name: ProviderName,
        bytes: Vec<u8>,
        limits: Limits,
    ) -> Result<Inspection, Refusal> {
        let digest = check(&bytes, None, self.options.component_size)?;
        let size = bytes.len();
        let compiled = self.compile((Cow::Owned(bytes), false), &digest).await?;
        let component = compiled.0.component_type();
        let mut imports: Vec<_> = component.imports(&self.engine).map(|(name, _)| import(name)).collect();
        imports.sort_by(|one, other| one.name.cmp(&other.name));
        let mut exports: Vec<_> = component.exports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        exports.sort();

        let source = Source {
            name,
            bytes: Cow::default(),
            sha256: None,
            settings: BTreeMap::new(),
            grants: Arc::new(every_grant(&imports)),
            wasi: true,
            limits,
            instances: Instances::Fresh,
            trusted: false,
            required: false,
        };
        let loaded = self.admit_compiled(source, digest.clone(), compiled).await;
        let memory = loaded.as_ref().map_or(0, |loaded| self.memory(loaded));
        Ok(Inspection { digest, size, imports, exports, loaded, memory })
    }

    fn memory(&self, loaded: &Loaded) -> usize {
        self.stats().iter().find(|stats| stats.id == loaded.id).map_or(0, |stats| stats.memory)
    }
}

fn import(name: &str) -> Import {
    let offer = Offer::of(name);

    Import { name: name.to_owned(), is_known: offer.is_some(), needs: offer.and_then(Offer::needs) }
}

/// A grant of everything on a connection of each kind that is needed. There is no such connection.
fn every_grant(imports: &[Import]) -> Grants {
    let kinds: BTreeSet<_> = imports.iter().filter_map(Import::kind).collect();
    let grant = |(number, kind): (usize, ConnectionKind)| {
        Some(Grant {
            connection: format!("connection-{number}").parse().ok()?,
            kind,
            uses: Use::ALL.into_iter().collect(),
            mechanisms: None,
            objects: Vec::new(),
            requests: Vec::new(),
        })
    };

    Grants::new(kinds.into_iter().enumerate().filter_map(grant).collect())
}
