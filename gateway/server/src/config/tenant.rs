//! Who may ask for what.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyport_core::caller::{Caller, Pattern, Right, Verb};
use keyport_core::name::{CallerName, ProviderName, TenantId};
use keyport_core::scheme::KeyType;

use super::mistake::Problem;
use super::names::{Names, unique};
use super::provider::Provider;
use super::section::Section;
use super::value::{Value, duration_or_none, name, one, sha256, truth};

/// `[[tenant]]`: keys and callers that are isolated from all others.
#[derive(Clone, Debug)]
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
    /// `caller`: who may ask.
    pub(crate) callers: Vec<Credentials>,
}

/// `[[tenant.caller]]`: somebody who may ask, and what it is known by.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// `name` and `right`: who it is, and what it may do.
    pub(crate) caller: Arc<Caller>,
    /// `tokens`: the SHA-256 of each of its bearer tokens; several, so that they can be rotated.
    pub(crate) tokens: Vec<TokenDigest>,
}

/// The SHA-256 of a bearer token.
pub(crate) type TokenDigest = [u8; 32];

/// What must be unique over all tenants.
#[derive(Debug, Default)]
pub(super) struct Taken {
    names: BTreeSet<TenantId>,
    tokens: BTreeSet<TokenDigest>,
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
        // Callers are read even where the tenant has no name, for the mistakes in them.
        let tenant = name.clone().or_else(|| "unnamed".parse().ok())?;
        let callers = read_callers(&mut section, &tenant, anonymous, &mut taken.tokens);
        section.end();

        Some(Self { name: name?, provider: provider?, grace, anonymous, callers })
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

fn read_callers(
    tenant: &mut Section<'_>,
    name: &TenantId,
    anonymous: bool,
    tokens: &mut BTreeSet<TokenDigest>,
) -> Vec<Credentials> {
    let mut names = BTreeSet::new();
    let callers: Vec<_> = tenant
        .tables("caller")
        .into_iter()
        .filter_map(|section| Credentials::read(section, name, anonymous, (&mut names, tokens)))
        .collect();

    if anonymous && !names.iter().any(|name: &CallerName| name.as_str() == ANONYMOUS) {
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
        tenant: &TenantId,
        open: bool,
        (names, taken): (&mut BTreeSet<CallerName>, &mut BTreeSet<TokenDigest>),
    ) -> Option<Self> {
        let name: Option<CallerName> = section.required("name", "\"tds\"", unique(names, name));
        let tokens = section.list("tokens", |value| token(value, taken));
        if let Some(name) = &name {
            check_tokens(&section, name, open);
        }
        let rights = section.tables("right").into_iter().filter_map(read_right).collect();
        section.end();

        Some(Self {
            caller: Arc::new(Caller { tenant: tenant.clone(), name: name?, rights }),
            tokens: tokens.unwrap_or_default(),
        })
    }
}

fn check_tokens(section: &Section<'_>, name: &CallerName, open: bool) {
    match (name.as_str() == ANONYMOUS, section.has("tokens")) {
        (true, _) if !open => section.mistake_at(
            "name",
            Problem::new(
                "`name`: `anonymous` is who sends no credentials",
                "choose another name, or open the tenant with anonymous = true",
            ),
        ),
        (true, true) => section.mistake_at(
            "tokens",
            Problem::new("`tokens`: `anonymous` is who sends none", "remove them, or choose another name"),
        ),
        (false, false) => {
            section.missing("tokens", "tokens = [\"sha256:…\"], as printed by: keyport token new");
        }
        (true, false) | (false, true) => {}
    }
}

fn read_right(mut section: Section<'_>) -> Option<Right> {
    if !section.has("may") {
        section.missing("may", "may = [\"list\", \"sign\"]");
    }
    let verbs = section.list("may", one("something a caller may do", &Verb::ALL, |verb| verb.as_str()));
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

fn pattern(value: &Value<'_>) -> Result<Pattern, Problem> {
    let Ok(pattern) = value.text()?.parse();
    Ok(pattern)
}

/// The value is never shown: it may be the token itself.
fn token(value: &Value<'_>, taken: &mut BTreeSet<TokenDigest>) -> Result<TokenDigest, Problem> {
    let text = value.text().unwrap_or_default();
    let Some(digest) = text.strip_prefix("sha256:").and_then(sha256) else {
        return Err(Problem::new(
            "this is not the SHA-256 of a token",
            "write sha256: and 64 hexadecimal digits, as printed by: keyport token new",
        ));
    };
    if !taken.insert(digest) {
        return Err(Problem::new("this token is written twice", "give every caller tokens of its own"));
    }
    Ok(digest)
}

/// Who sends no credentials.
pub(crate) const ANONYMOUS: &str = "anonymous";

const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
