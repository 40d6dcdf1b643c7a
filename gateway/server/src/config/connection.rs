//! The custodians that providers may be granted, and the master key of the one that is built in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keyport_core::grant::ConnectionKind;
use keyport_core::name::ConnectionName;
use keyport_core::secret::Secret;

use super::aws::Aws;
use super::azure::Azure;
use super::derived::Derived;
use super::environment::secret_of;
use super::gcp::Gcp;
use super::http::Http;
use super::mistake::Problem;
use super::names::{Names, unique};
use super::pkcs11::Pkcs11;
use super::provider::Provider;
use super::section::Section;
use super::value::{count, name, one, path, text};
use super::vault::Vault;

/// `[[connection]]`: one token or account of a custodian.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Connection {
    /// `name`: what grants call it.
    pub(crate) name: ConnectionName,
    /// `kind`, and what belongs to it.
    pub(crate) custodian: Custodian,
    /// `replicas`: connections with the same key material, which stand in for it in this order.
    pub(crate) replicas: Vec<ConnectionName>,
}

/// What a connection reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Custodian {
    /// `kind = "aws"`: an account's keys in one region of AWS KMS.
    Aws(Box<Aws>),
    /// `kind = "azure"`: a vault of Azure Key Vault, or a managed HSM.
    Azure(Box<Azure>),
    /// `kind = "derived"`: keys that follow from a seed, for development.
    Derived(Derived),
    /// `kind = "gcp"`: a key ring of Google Cloud KMS.
    Gcp(Box<Gcp>),
    /// `kind = "http"`: a service whose requests providers word.
    Http(Box<Http>),
    /// `kind = "pkcs11"`: a token behind a vendor's module.
    Pkcs11(Box<Pkcs11>),
    /// `kind = "soft"`: the embedded token.
    Soft {
        /// `cache`: how many unsealed keys are kept in memory.
        cache: usize,
    },
    /// `kind = "vault"`: a transit engine.
    Vault(Box<Vault>),
}

impl Custodian {
    /// Its kind.
    pub(crate) fn kind(&self) -> ConnectionKind {
        match self {
            Self::Aws(_) => ConnectionKind::Aws,
            Self::Azure(_) => ConnectionKind::Azure,
            Self::Derived(_) => ConnectionKind::Derived,
            Self::Gcp(_) => ConnectionKind::Gcp,
            Self::Http(_) => ConnectionKind::Http,
            Self::Pkcs11(_) => ConnectionKind::Pkcs11,
            Self::Soft { .. } => ConnectionKind::Soft,
            Self::Vault(_) => ConnectionKind::Vault,
        }
    }

    /// How the names of its keys begin, where a replica has each key under the same name, and destroys no other.
    fn prefix(&self) -> Option<&str> {
        match self {
            Self::Azure(azure) => Some(&azure.prefix),
            Self::Gcp(gcp) => Some(&gcp.prefix),
            Self::Vault(vault) => Some(&vault.prefix),
            // AWS calls replicas by their ids, tokens call copies by theirs, and the others have none.
            Self::Aws(_) | Self::Derived(_) | Self::Http(_) | Self::Pkcs11(_) | Self::Soft { .. } => None,
        }
    }
}

/// `[master-key]`: where the key comes from that the embedded token's keys are sealed under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum MasterKey {
    /// `file`: a file of mode 0600.
    File(PathBuf),
    /// `environment`: the name of an environment variable.
    Environment {
        /// The variable's name.
        variable: String,
        /// What it holds.
        text: Secret,
    },
}

/// What there can be once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    names: BTreeSet<ConnectionName>,
    soft: bool,
}

impl Connection {
    pub(super) fn read(mut section: Section<'_>, folder: &Path, taken: &mut Taken) -> Option<Self> {
        let name = section.required("name", "\"embedded\"", unique(&mut taken.names, name));
        let kind =
            section.required("kind", "\"soft\"", one("a kind of connection", &KINDS, |kind| kind.as_str()));
        let custodian = match kind {
            Some(ConnectionKind::Aws) => Aws::read(&mut section, folder).map(Box::new).map(Custodian::Aws),
            Some(ConnectionKind::Azure) => {
                Azure::read(&mut section, folder).map(Box::new).map(Custodian::Azure)
            }
            Some(ConnectionKind::Derived) => Derived::read(&mut section, folder).map(Custodian::Derived),
            Some(ConnectionKind::Gcp) => Gcp::read(&mut section, folder).map(Box::new).map(Custodian::Gcp),
            Some(ConnectionKind::Http) => Http::read(&mut section, folder).map(Box::new).map(Custodian::Http),
            Some(ConnectionKind::Pkcs11) => {
                Pkcs11::read(&mut section, folder).map(Box::new).map(Custodian::Pkcs11)
            }
            Some(ConnectionKind::Soft) => Some(read_soft(&mut section, taken)),
            Some(ConnectionKind::Vault) => {
                Vault::read(&mut section, folder).map(Box::new).map(Custodian::Vault)
            }
            // What else is there belongs to the kind that is not known.
            None => return None,
        };
        let replicas = section.list("replicas", super::value::name).unwrap_or_default();
        section.end();

        Some(Self { name: name?, custodian: custodian?, replicas })
    }
}

/// Sees to it that what stands in for a connection is another one of its kind, and does nothing else: on a connection of its own
/// a provider could have the object of another's key.
pub(super) fn check_replicas(top: &Section<'_>, names: &Names, providers: &[Provider]) {
    let mut taken = BTreeSet::new();
    for (connection, replica) in
        names.connections().iter().flat_map(|one| one.replicas.iter().map(move |other| (one, other)))
    {
        let is_granted = providers.iter().any(|provider| provider.grants.on(replica).is_some());
        let problem = if is_granted {
            Some(Problem::new(
                format!(
                    "connection `{replica}` is a replica of `{}`, and granted to a provider",
                    connection.name
                ),
                format!("grant `{}` instead", connection.name),
            ))
        } else if !taken.insert(replica) {
            Some(Problem::new(
                format!("connection `{replica}` is named twice in `replicas`"),
                "name it for the one connection whose keys it has",
            ))
        } else {
            wrong_replica(connection, replica, names)
        };
        if let Some(problem) = problem {
            top.mistake_at("connection", problem);
        }
    }
}

fn wrong_replica(connection: &Connection, replica: &ConnectionName, names: &Names) -> Option<Problem> {
    let (name, kind) = (&connection.name, connection.custodian.kind());
    let problem = |what: String, fix: &str| Some(Problem::new(format!("connection `{name}`: {what}"), fix));
    if matches!(kind, ConnectionKind::Derived | ConnectionKind::Http | ConnectionKind::Soft) {
        let what = format!("one of kind \"{}\" has no replicas", kind.as_str());
        return problem(
            what,
            "remove `replicas`: they are for HSMs and clouds that hold the same keys twice",
        );
    }

    match names.connections().iter().find(|other| other.name == *replica) {
        // Its own mistake is told.
        None if names.is_connection(replica.as_str()) => None,
        None => {
            problem(format!("there is no connection `{replica}`"), "name other connections in `replicas`")
        }
        Some(_) if replica == name => {
            problem("it is no replica of itself".to_owned(), "name other connections in `replicas`")
        }
        Some(other) if other.custodian.kind() != kind => problem(
            format!("`{replica}` is of kind \"{}\"", other.custodian.kind().as_str()),
            "name connections of the same kind in `replicas`: they hold the same key material",
        ),
        Some(other) if other.custodian.prefix() != connection.custodian.prefix() => problem(
            format!("`{replica}` has another `prefix`, and would destroy no key of this one's"),
            "write the same `prefix` into both: a key has one name wherever it is held",
        ),
        Some(_) => None,
    }
}

fn read_soft(section: &mut Section<'_>, taken: &mut Taken) -> Custodian {
    if std::mem::replace(&mut taken.soft, true) {
        section.mistake_at(
            "kind",
            Problem::new("`kind`: there is one embedded token", "keep one connection to it"),
        );
    }

    Custodian::Soft { cache: section.or("cache", CACHE, count) }
}

impl MasterKey {
    pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let file = section.optional("file", path(folder));
        let variable = section.optional("environment", text);
        if section.has("file") == section.has("environment") {
            section.mistake(Problem::new(
                "[master-key] wants one of `file` and `environment`",
                "write file = \"master.key\" (made by: keyport master-key new master.key), or environment = \"NAME\"",
            ));
        }

        let key = file.map(Self::File).or_else(|| {
            let variable = variable?;
            let text = secret_of(&section, &variable, "the master key")?;
            Some(Self::Environment { variable, text })
        });
        section.end();
        key
    }
}

const KINDS: [ConnectionKind; 8] = [
    ConnectionKind::Aws,
    ConnectionKind::Azure,
    ConnectionKind::Derived,
    ConnectionKind::Gcp,
    ConnectionKind::Http,
    ConnectionKind::Pkcs11,
    ConnectionKind::Soft,
    ConnectionKind::Vault,
];
const CACHE: usize = 10_000;
