//! What a provider may reach, in configuration. What is not granted is denied.

use std::collections::BTreeSet;
use std::fmt;

use crate::caller::Pattern;
use crate::custody::Mechanism;
use crate::name::ConnectionName;
use crate::outbound::{During, Rule};

/// Everything one provider may reach.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grants(Vec<Grant>);

/// What a provider may do on one connection, with the objects of the keys it serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// The connection.
    pub connection: ConnectionName,
    /// What kind of custodian it reaches, and so which imported interface the grant opens.
    pub kind: ConnectionKind,
    /// What may be done there.
    pub uses: BTreeSet<Use>,
    /// With which mechanisms; `None` is all that fit a scheme.
    pub mechanisms: Option<BTreeSet<Mechanism>>,
    /// Which objects that somebody else made may be registered, by what [`Backend::locate`] takes; none by default.
    ///
    /// [`Backend::locate`]: crate::backend::Backend::locate
    pub objects: Vec<Pattern>,
    /// Which requests may be sent, where the custodian takes requests; none by default.
    pub requests: Vec<Rule>,
}

impl Grant {
    /// A grant of these requests, and of what they are sent for.
    #[must_use]
    pub fn of_requests(connection: ConnectionName, requests: Vec<Rule>) -> Self {
        let wanted = |rule: &Rule| match rule.during {
            During::Create => Some(Use::Generate),
            During::Sign => Some(Use::Sign),
            During::Destroy => Some(Use::Destroy),
            During::Health => None,
        };
        let uses = requests.iter().filter_map(wanted).collect();

        Self { connection, kind: ConnectionKind::Http, uses, mechanisms: None, objects: Vec::new(), requests }
    }
}

/// The kinds of custodian a backend reaches.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ConnectionKind {
    /// Keys in AWS KMS.
    Aws,
    /// Keys in Azure Key Vault or Managed HSM.
    Azure,
    /// Keys derived from a seed, for development.
    Derived,
    /// Keys in Google Cloud KMS.
    Gcp,
    /// A service that takes requests by HTTP.
    Http,
    /// A token behind a PKCS#11 module.
    Pkcs11,
    /// The embedded token.
    Soft,
    /// Keys in the transit engine of Vault or OpenBao.
    Vault,
}

impl ConnectionKind {
    /// Every kind.
    pub const ALL: [Self; 8] =
        [Self::Aws, Self::Azure, Self::Derived, Self::Gcp, Self::Http, Self::Pkcs11, Self::Soft, Self::Vault];

    /// The kind's name in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Derived => "derived",
            Self::Gcp => "gcp",
            Self::Http => "http",
            Self::Pkcs11 => "pkcs11",
            Self::Soft => "soft",
            Self::Vault => "vault",
        }
    }
}

/// What can be done on a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Use {
    /// Make a key pair.
    Generate,
    /// Take over a key pair that was made elsewhere.
    Import,
    /// Read a public half, or how its key stands.
    PublicKey,
    /// Sign.
    Sign,
    /// Destroy a key pair.
    Destroy,
}

impl Use {
    /// Every use.
    pub const ALL: [Self; 5] = [Self::Generate, Self::Import, Self::PublicKey, Self::Sign, Self::Destroy];

    /// The use's name in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Import => "import",
            Self::PublicKey => "public-key",
            Self::Sign => "sign",
            Self::Destroy => "destroy",
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Grants {
    /// These grants and no others.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// The grant on `connection`.
    #[must_use]
    pub fn on(&self, connection: &ConnectionName) -> Option<&Grant> {
        self.0.iter().find(|grant| grant.connection == *connection)
    }

    /// The first grant on a connection of this kind.
    #[must_use]
    pub fn of_kind(&self, kind: ConnectionKind) -> Option<&Grant> {
        self.0.iter().find(|grant| grant.kind == kind)
    }

    /// Every grant.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }
}
