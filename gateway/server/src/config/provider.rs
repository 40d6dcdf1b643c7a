//! The components that serve keys, and what each may reach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use keyport_core::custody::Mechanism;
use keyport_core::grant::{ConnectionKind, Grant, Grants, Use};
use keyport_core::name::{ComponentDigest, ProviderName, TenantId};
use keyport_core::outbound::Rule;
use keyport_core::scheme::Hash;

use super::component::{BuiltIn, Component};
use super::http::read_rules;
use super::mistake::{Place, Problem};
use super::names::{Names, unique};
use super::section::Section;
use super::swap::{Canary, Swap};
use super::tenant::pattern;
use super::testdouble::TestDouble;
use super::value::{Value, count, duration, name, one, sha256, size, truth};
use crate::component::Signer;

/// `[[provider]]`: a component, and what it may reach.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Provider {
    /// `name`: what tenants call it.
    pub(crate) name: ProviderName,
    /// `component`: what is loaded.
    pub(crate) component: Component,
    /// `sha256`: what the component's bytes must hash to; a `file:` needs it, and what comes
    /// from a registry is pinned already.
    pub(crate) digest: Option<ComponentDigest>,
    /// `signed-by`: whose signature the component needs; without it, nobody's. Built-in ones have no signatures.
    pub(crate) signed_by: Option<SignedBy>,
    /// `tenants`: the only ones it may serve; without it, all.
    pub(crate) tenants: Option<BTreeSet<TenantId>>,
    /// `instances`: whether instances are used again. By default only those of built-in components are.
    pub(crate) instances: Instances,
    /// `required`: whether the gateway is ready only while this provider is healthy.
    pub(crate) required: bool,
    /// `settings`: what the component can read by name. Not for secrets: components are never given any.
    pub(crate) settings: BTreeMap<String, String>,
    /// `settings` of the test double.
    pub(crate) double: Option<TestDouble>,
    /// `swap`: how a new version takes over.
    pub(crate) swap: Swap,
    /// `canary`: a version that serves beside this one.
    pub(crate) canary: Option<Canary>,
    /// `limits`: what one call, or all of them together, may use.
    pub(crate) limits: Limits,
    /// `grant`: what it may reach. Nothing else.
    pub(crate) grants: Grants,
    /// `wasi`: whether it is given WASI, for components of toolchains that do not build without.
    pub(crate) wasi: bool,
}

/// `signed-by`: the keys of which one must have signed the component. The signatures stand in a file beside it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SignedBy {
    /// The public keys.
    pub(crate) signers: Vec<Signer>,
    /// Where they stand.
    pub(crate) place: Place,
}

/// Whether a component's instances are used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Instances {
    /// `"fresh"`: each call gets one of its own, so that nothing stays from one call to the next.
    Fresh,
    /// `"reuse"`: within a tenant, and not for ever.
    Reuse,
}

/// `[provider.limits]`: what one call may use, and how many there may be. What is not written is as the host has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Limits {
    /// `cpu`: computing time of one call.
    pub(crate) cpu: Option<Duration>,
    /// `memory`: bytes of one instance.
    pub(crate) memory: Option<usize>,
    /// `message-size`: bytes that one call of the host, or one answer, may carry out of the component.
    pub(crate) message_size: Option<usize>,
    /// `log-lines`: lines of the component's own in the log, per second and tenant; further ones are dropped.
    pub(crate) log_lines: Option<u32>,
    /// `in-flight`: calls at once, over all tenants.
    pub(crate) in_flight: Option<usize>,
    /// `outbound-connections`: requests to custodians on their way at once, over all tenants.
    pub(crate) outbound_connections: Option<usize>,
}

impl Provider {
    pub(super) fn read(
        mut section: Section<'_>,
        names: &Names,
        folder: &Path,
        taken: &mut BTreeSet<ProviderName>,
    ) -> Option<Self> {
        let name = section.required("name", "\"soft\"", unique(taken, name));
        let (component, digest) = read_component(&mut section, folder);
        let signed_by = SignedBy::read(&mut section, component.as_ref());
        let tenants = section.list("tenants", names.tenant());
        let kinds = [Instances::Fresh, Instances::Reuse];
        let instances = section.optional("instances", one("a way to use instances", &kinds, Instances::name));
        let required = section.or("required", false, truth);
        let double = match &component {
            Some(Component::BuiltIn(BuiltIn::TestDouble)) => Some(read_double(&mut section, names)),
            Some(_) | None => None,
        };
        let settings = if double.is_some() { BTreeMap::new() } else { section.texts("settings") };
        let swap = section.table("swap").map(|section| Swap::read(section, names)).unwrap_or_default();
        let canary = section.table("canary").and_then(|section| Canary::read(section, folder));
        let limits = section.table("limits").map(Limits::read).unwrap_or_default();
        let grants = read_grants(&mut section, names, component.as_ref());
        let wasi = section.or("wasi", false, truth);
        section.end();

        let component = component?;
        Some(Self {
            name: name?,
            instances: instances.unwrap_or_else(|| Instances::usual(&component)),
            component,
            digest,
            signed_by,
            tenants: tenants.map(|tenants| tenants.into_iter().collect()),
            required,
            settings,
            double,
            swap,
            canary,
            limits,
            grants,
            wasi,
        })
    }

    /// The provider as its canary is loaded; `None` where it has none.
    pub(crate) fn canary_version(&self) -> Option<Self> {
        let Canary { component, digest, .. } = self.canary.clone()?;
        // What suits our own component does not suit somebody else's.
        let is_alike = Instances::usual(&component) == Instances::usual(&self.component);
        let instances = if is_alike { self.instances } else { Instances::usual(&component) };

        Some(Self { component, digest, instances, ..self.version() })
    }

    /// The provider as its component is loaded: two that are equal need no new version.
    pub(crate) fn version(&self) -> Self {
        Self { swap: Swap::default(), canary: None, tenants: None, ..self.clone() }
    }

    /// Whether this tenant may be served.
    pub(crate) fn serves(&self, tenant: &TenantId) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.contains(tenant))
    }
}

/// `component` and `sha256` of a provider, or of its canary.
pub(super) fn read_component(
    section: &mut Section<'_>,
    folder: &Path,
) -> (Option<Component>, Option<ComponentDigest>) {
    let component = section.required("component", "\"builtin:soft\"", Component::parse(folder));
    let digest = section.optional("sha256", digest);
    if let Some(Component::File(file)) = &component
        && !section.has("sha256")
    {
        let fix = format!("sha256 = \"…\", as printed by: sha256sum {}", file.display());
        section.missing("sha256", &fix);
    }

    (component, digest)
}

impl SignedBy {
    fn read(section: &mut Section<'_>, component: Option<&Component>) -> Option<Self> {
        let mut written = 0;
        let signers = section.list("signed-by", |value| {
            written += 1;
            signer(value)
        })?;
        match component {
            Some(Component::BuiltIn(_)) => {
                let what = "`signed-by`: a built-in component comes with the gateway and has no signatures";
                section.mistake_at("signed-by", Problem::new(what, "remove it"));
            }
            Some(Component::File(_) | Component::Oci(_)) if written == 0 => {
                let fix = "write the public keys of those who sign it, or remove the field";
                section.mistake_at("signed-by", Problem::new("`signed-by`: nobody could sign that", fix));
            }
            Some(Component::File(_) | Component::Oci(_)) | None => {}
        }

        Some(Self { signers, place: section.place("signed-by") })
    }
}

impl Instances {
    /// Those of our own components, which keep nothing, are used again.
    fn usual(component: &Component) -> Self {
        match component {
            Component::BuiltIn(_) => Self::Reuse,
            Component::File(_) | Component::Oci(_) => Self::Fresh,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reuse => "reuse",
        }
    }
}

impl Limits {
    fn read(mut section: Section<'_>) -> Self {
        let limits = Self {
            cpu: section.optional("cpu", duration),
            memory: section.optional("memory", size),
            message_size: section.optional("message-size", size),
            log_lines: section.optional("log-lines", count),
            in_flight: section.optional("in-flight", count),
            outbound_connections: section.optional("outbound-connections", count),
        };
        section.end();
        limits
    }
}

/// The settings of the test double, which has no place where real keys are.
fn read_double(provider: &mut Section<'_>, names: &Names) -> TestDouble {
    if !names.allow_testing() {
        provider.mistake_at(
            "component",
            Problem::new(
                "`component`: `builtin:testdouble` fails when it is told to, and is for tests only",
                "write allow-testing = true at the top of the file of a gateway for tests, or use builtin:soft",
            ),
        );
    }

    provider.table("settings").map(TestDouble::read).unwrap_or_default()
}

fn read_grants(provider: &mut Section<'_>, names: &Names, component: Option<&Component>) -> Grants {
    let mut grants: Vec<Grant> = Vec::new();
    for section in provider.tables("grant") {
        let Some(grant) = read_grant(section, names, component) else { continue };
        if grants.iter().any(|other| other.connection == grant.connection) {
            provider.mistake_at(
                "grant",
                Problem::new(
                    format!("two grants on the connection `{}`", grant.connection),
                    "write all its uses in one [[provider.grant]]",
                ),
            );
        }
        grants.push(grant);
    }
    Grants::new(grants)
}

fn read_grant(mut section: Section<'_>, names: &Names, component: Option<&Component>) -> Option<Grant> {
    let connection = section.required("connection", "\"embedded\"", names.connection());
    // What it may be used for is not known before it is mended.
    let connection = match connection {
        Some(None) => return None,
        known => known.flatten(),
    };
    if let Some(http) = connection.filter(|connection| connection.custodian.kind() == ConnectionKind::Http) {
        let requests = read_requests(&mut section, component);
        section.end();
        return Some(Grant::of_requests(http.name.clone(), requests?));
    }
    if !section.has("uses") {
        section.missing("uses", "uses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]");
    }
    let uses = section.list("uses", one("a use", &Use::ALL, |one| one.as_str()));
    let mechanisms = section.list("mechanisms", one("a mechanism", &Mechanism::ALL, mechanism));
    let objects = section.list("objects", pattern).unwrap_or_default();
    section.end();

    let connection = connection?;
    Some(Grant {
        connection: connection.name.clone(),
        kind: connection.custodian.kind(),
        uses: uses?.into_iter().collect(),
        mechanisms: mechanisms.map(|mechanisms| mechanisms.into_iter().collect()),
        objects,
        requests: Vec::new(),
    })
}

/// What is written; where nothing is, what a component of ours is known to send. Whatever somebody else's sends must be
/// written.
fn read_requests(grant: &mut Section<'_>, component: Option<&Component>) -> Option<Vec<Rule>> {
    let own = match component {
        Some(Component::BuiltIn(built_in)) => built_in.requests(),
        Some(Component::File(_) | Component::Oci(_)) | None => None,
    };

    own.filter(|_| !grant.has("request")).or_else(|| read_rules(grant))
}

/// The value is never shown: it may be the private key.
fn signer(value: &Value<'_>) -> Result<Signer, Problem> {
    let text = value.text().unwrap_or_default();
    text.parse().map_err(|rule| Problem::new("this is not the public key of a signer", format!("{rule}")))
}

fn digest(value: &Value<'_>) -> Result<ComponentDigest, Problem> {
    sha256(value.text()?)
        .and_then(|digest| format!("sha256:{}", hex::encode(digest)).parse().ok())
        .ok_or_else(|| {
            Problem::new(
                format!("{} is not a SHA-256", value.shown()),
                "write the 64 hexadecimal digits that sha256sum prints for the component",
            )
        })
}

fn mechanism(mechanism: &Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Ecdsa => "ecdsa",
        Mechanism::Ed25519 => "ed25519",
        Mechanism::Ed25519ph => "ed25519ph",
        Mechanism::Ed25519phOfMessage => "ed25519ph-of-message",
        Mechanism::RsaPkcs1v15DigestInfo => "rsa-pkcs1v15-digest-info",
        Mechanism::RsaPkcs1v15(Hash::Sha256) => "rsa-pkcs1v15(sha-256)",
        Mechanism::RsaPkcs1v15(Hash::Sha384) => "rsa-pkcs1v15(sha-384)",
        Mechanism::RsaPkcs1v15(Hash::Sha512) => "rsa-pkcs1v15(sha-512)",
        Mechanism::RsaPss(Hash::Sha256) => "rsa-pss(sha-256)",
        Mechanism::RsaPss(Hash::Sha384) => "rsa-pss(sha-384)",
        Mechanism::RsaPss(Hash::Sha512) => "rsa-pss(sha-512)",
        Mechanism::MlDsa => "ml-dsa",
    }
}
