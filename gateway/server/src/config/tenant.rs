//! Who may ask for what.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyport_core::caller::{Caller, Pattern, Right, Verb};
use keyport_core::name::{CallerName, ProviderName, TenantId};
use keyport_core::quota::Quota;
use keyport_core::scheme::KeyType;

use super::credential::{self, Presented};
use super::mistake::Problem;
use super::names::{Names, unique};
use super::provider::Provider;
use super::publication::Publication;
use super::quota::{TenantQuota, of_caller};
use super::section::Section;
use super::value::{Value, duration_or_none, name, one, path, truth};

/// `[[tenant]]`: keys and callers that are isolated from all others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tenant {
    /// `name`: 1 to 63 characters of a-z, 0-9 and -.
    pub(crate) name: TenantId,
    /// `provider`: the provider that makes and serves its keys.
    pub(crate) provider: ProviderName,
    /// `grace`: how long a released key is kept before it is destroyed.
    pub(crate) grace: Duration,
    /// `anonymous`: whether a request without credentials acts as this tenant's caller `anonymous`. At most one
    /// tenant can be opened so.
    pub(crate) anonymous: bool,
    /// `quota`: what it may ask for as a whole.
    pub(crate) quota: TenantQuota,
    /// `route`: providers for new keys of certain names; the first that matches counts.
    pub(crate) routes: Vec<(Pattern, ProviderName)>,
    /// `jwks`: those of its public keys that anybody may read.
    pub(crate) jwks: Option<Publication>,
    /// `caller`: who may ask.
    pub(crate) callers: Vec<Credentials>,
}

/// `[[tenant.caller]]`: somebody who may ask, and what it is known by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Credentials {
    /// `name` and `right`: who it is, and what it may do.
    pub(crate) caller: Arc<Caller>,
    /// `tokens`, `certificates`, `jwt` and `require`: what it presents.
    pub(crate) presented: Presented,
    /// `quota`: what it may ask for, within what its tenant may.
    pub(crate) quota: Quota,
}

/// What must be unique over all tenants.
#[derive(Debug, Default)]
pub(super) struct Taken {
    names: BTreeSet<TenantId>,
    publications: BTreeSet<String>,
    credentials: credential::Taken,
    anonymous: bool,
}

impl Tenant {
    pub(super) fn read(
        mut section: Section<'_>,
        names: &Names,
        providers: &[Provider],
        taken: &mut Taken,
    ) -> Option<Self> {
        let name = section.required("name", "\"dev\"", unique(&mut taken.names, name));
        let provider = section.required("provider", "\"soft\"", names.provider());
        if let (Some(name), Some(provider)) = (&name, &provider) {
            check_served(&section, name, provider, providers);
        }
        let grace = section.or("grace", GRACE, duration_or_none);
        let anonymous = section.or("anonymous", false, truth);
        if anonymous && std::mem::replace(&mut taken.anonymous, true) {
            section.mistake_at(
                "anonymous",
                Problem::new("`anonymous`: another tenant is open already", "open at most one tenant"),
            );
        }
        let client_ca = section.optional("client-ca", path(names.folder()));
        let client_ca = client_ca.or_else(|| names.client_ca().cloned());
        let quota = TenantQuota::read(&mut section);
        let routes = read_routes(&mut section, name.as_ref(), names, providers);
        let jwks =
            section.table("jwks").and_then(|section| Publication::read(section, &mut taken.publications));
        // Callers are read even where the tenant has no name, for the mistakes in them.
        let tenant = name.clone().or_else(|| "unnamed".parse().ok())?;
        let callers = read_callers(
            &mut section,
            (&tenant, names),
            (anonymous, client_ca.as_ref()),
            &mut taken.credentials,
        );
        section.end();

        Some(Self { name: name?, provider: provider?, grace, anonymous, quota, routes, jwks, callers })
    }
}

fn check_served(section: &Section<'_>, name: &TenantId, provider: &ProviderName, providers: &[Provider]) {
    if providers.iter().any(|one| one.name == *provider && !one.serves(name)) {
        section.mistake_at(
            "provider",
            Problem::new(
                format!("`provider`: `{provider}` may not serve this tenant"),
                format!("add \"{name}\" to the `tenants` of that provider, or choose another"),
            ),
        );
    }
}

fn read_routes(
    tenant: &mut Section<'_>,
    name: Option<&TenantId>,
    names: &Names,
    providers: &[Provider],
) -> Vec<(Pattern, ProviderName)> {
    let read = |mut section: Section<'_>| {
        let keys = section.required("keys", "\"x509-*\"", pattern);
        let provider = section.required("provider", "\"soft\"", names.provider());
        if let (Some(name), Some(provider)) = (name, &provider) {
            check_served(&section, name, provider, providers);
        }
        section.end();
        keys.zip(provider)
    };

    tenant.tables("route").into_iter().filter_map(read).collect()
}

fn read_callers(
    tenant: &mut Section<'_>,
    (name, names): (&TenantId, &Names),
    (anonymous, client_ca): (bool, Option<&PathBuf>),
    credentials: &mut credential::Taken,
) -> Vec<Credentials> {
    let mut taken = BTreeSet::new();
    let callers: Vec<_> = tenant
        .tables("caller")
        .into_iter()
        .filter_map(|section| {
            Credentials::read(section, (name, names), (anonymous, client_ca), (&mut taken, credentials))
        })
        .collect();

    if anonymous && !taken.iter().any(|name: &CallerName| name.as_str() == ANONYMOUS) {
        tenant.mistake_at(
            "anonymous",
            Problem::new(
                "the tenant is open, and has no caller `anonymous`",
                "add a [[tenant.caller]] with name = \"anonymous\", no tokens, and the rights that everybody has",
            ),
        );
    }
    callers
}

impl Credentials {
    fn read(
        mut section: Section<'_>,
        (tenant, names): (&TenantId, &Names),
        (open, client_ca): (bool, Option<&PathBuf>),
        (callers, taken): (&mut BTreeSet<CallerName>, &mut credential::Taken),
    ) -> Option<Self> {
        let name: Option<CallerName> = section.required("name", "\"tds\"", unique(callers, name));
        let presented = Presented::read(&mut section, (name.as_ref(), open), (names, client_ca), taken);
        let operator = section.or("operator", false, truth);
        let read_right = |section| read_right(section, operator);
        let rights = section.tables("right").into_iter().filter_map(read_right).collect();
        let quota = of_caller(&mut section);
        section.end();

        Some(Self {
            caller: Arc::new(Caller { tenant: tenant.clone(), name: name?, rights }),
            presented,
            quota,
        })
    }
}

/// `operator` is whether the caller is one, who may take up keys that are not of the gateway's making.
fn read_right(mut section: Section<'_>, operator: bool) -> Option<Right> {
    if !section.has("may") {
        section.missing("may", "may = [\"list\", \"sign\"]");
    }
    let verbs = section.list("may", one("something a caller may do", &Verb::ALL, |verb| verb.as_str()));
    if !operator && verbs.as_ref().is_some_and(|verbs| verbs.contains(&Verb::Register)) {
        section.mistake_at(
            "may",
            Problem::new(
                "`may`: \"register\" is for operators",
                "write operator = true in this [[tenant.caller]], or leave \"register\" out",
            ),
        );
    }
    if !section.has("keys") {
        section.missing("keys", "keys = [\"*\"], or patterns of the key names this is about");
    }
    let keys = section.list("keys", pattern);
    let key_types = section.list("key-types", one("a key type", &KeyType::ALL, |key_type| key_type.as_str()));
    section.end();

    Some(Right {
        verbs: verbs?.into_iter().collect(),
        keys: keys?,
        key_types: key_types.map(|key_types| key_types.into_iter().collect()),
    })
}

pub(super) fn pattern(value: &Value<'_>) -> Result<Pattern, Problem> {
    let Ok(pattern) = value.text()?.parse();
    Ok(pattern)
}

/// Who sends no credentials.
pub(crate) const ANONYMOUS: &str = "anonymous";

const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
