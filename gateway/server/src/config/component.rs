//! Which component a provider is: one that the binary carries, or one of somebody else's.

use std::fmt;
use std::path::{Path, PathBuf};

use keyport_core::outbound::{During, Method, Rule};

use super::mistake::Problem;
use super::value::Value;
use crate::component::{Artifact, BadArtifact};

/// Which component is loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Component {
    /// `"builtin:NAME"`: one that comes with the gateway.
    BuiltIn(BuiltIn),
    /// `"file:PATH"`: a component of somebody else's.
    File(PathBuf),
    /// `"oci://REGISTRY/REPOSITORY@sha256:…"`: one in a registry, by the digest of its manifest.
    Oci(Artifact),
}

/// The components that come with the gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BuiltIn {
    /// The provider of AWS KMS.
    AwsKms,
    /// The provider of Azure Key Vault.
    AzureKeyVault,
    /// The provider of keys that are derived from a seed.
    Derived,
    /// The provider of Google Cloud KMS.
    GcpKms,
    /// The provider over a PKCS#11 token.
    Pkcs11,
    /// The provider over another server that speaks `remote_kms`.
    RemoteKms,
    /// The provider over the embedded token.
    Soft,
    /// The same, which fails as its settings say and records what it is asked.
    TestDouble,
    /// The provider of transit of Vault and OpenBao.
    VaultTransit,
}

impl Component {
    pub(super) fn parse(folder: &Path) -> impl Fn(&Value<'_>) -> Result<Self, Problem> {
        move |value| match value.text()?.split_once(':') {
            Some(("builtin", name)) => {
                BuiltIn::named(name).map(Self::BuiltIn).ok_or_else(|| no_component(value))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(folder.join(path))),
            Some(("oci", _)) => oci(value),
            Some(_) | None => Err(no_component(value)),
        }
    }
}

/// As the configuration has it, but for a file, which is its path.
impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(built_in) => write!(f, "builtin:{}", built_in.name()),
            Self::File(file) => file.display().fmt(f),
            Self::Oci(artifact) => artifact.fmt(f),
        }
    }
}

impl BuiltIn {
    /// Every one.
    const ALL: [Self; 9] = [
        Self::AwsKms,
        Self::AzureKeyVault,
        Self::Derived,
        Self::GcpKms,
        Self::Pkcs11,
        Self::RemoteKms,
        Self::Soft,
        Self::TestDouble,
        Self::VaultTransit,
    ];

    /// The one that is written `builtin:NAME`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|built_in| built_in.name() == name)
    }

    /// Those that are for everybody, as they are written.
    pub(crate) fn list() -> String {
        let built_in = Self::ALL.into_iter().filter(|built_in| *built_in != Self::TestDouble);
        let written: Vec<_> = built_in.map(|built_in| format!("builtin:{}", built_in.name())).collect();

        written.join(", ")
    }

    /// The requests of one that sends some: what a grant of its connection is for, where it lists none. They are ours, so
    /// that an operator need not write down what is known.
    pub(crate) fn requests(self) -> Option<Vec<Rule>> {
        match self {
            Self::RemoteKms => REMOTE_KMS.into_iter().map(rule).collect(),
            Self::AwsKms
            | Self::AzureKeyVault
            | Self::Derived
            | Self::GcpKms
            | Self::Pkcs11
            | Self::Soft
            | Self::TestDouble
            | Self::VaultTransit => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AwsKms => "aws-kms",
            Self::AzureKeyVault => "azure-key-vault",
            Self::Derived => "derived",
            Self::GcpKms => "gcp-kms",
            Self::Pkcs11 => "pkcs11",
            Self::RemoteKms => "remote-kms",
            Self::Soft => "soft",
            Self::TestDouble => "testdouble",
            Self::VaultTransit => "vault-transit",
        }
    }
}

fn rule((during, method, path): (During, Method, &str)) -> Option<Rule> {
    Some(Rule { during, method, path: path.parse().ok()?, times: 1, native_id: None })
}

fn oci(value: &Value<'_>) -> Result<Component, Problem> {
    let artifact = value.text()?.parse();

    artifact.map(Component::Oci).map_err(|rule: BadArtifact| {
        Problem::new(format!("{} is not a component in a registry", value.shown()), rule.to_string())
    })
}

fn no_component(value: &Value<'_>) -> Problem {
    Problem::new(
        format!("{} is not a component", value.shown()),
        format!("write {}, file:PATH and its sha256, or oci://REGISTRY/REPOSITORY@sha256:…", BuiltIn::list()),
    )
}

/// What `builtin:remote-kms` sends. The server calls each key by its key-id.
const REMOTE_KMS: [(During, Method, &str); 4] = [
    (During::Create, Method::Post, "/keys"),
    (During::Sign, Method::Post, "/keys/{key}/sign"),
    (During::Destroy, Method::Delete, "/keys/{key}"),
    (During::Health, Method::Get, "/health"),
];
