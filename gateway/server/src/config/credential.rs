//! What a caller is known by.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use keyport_core::name::CallerName;

use super::mistake::Problem;
use super::names::Names;
use super::section::Section;
use super::tenant::ANONYMOUS;
use super::value::{Value, one, sha256, text};
use crate::auth::{Require, Subject, TokenDigest};
use crate::peer::SPIFFE;

/// What a caller presents.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Presented {
    /// `tokens`: the SHA-256 of each of its bearer tokens; several, so that they can be rotated.
    pub(crate) tokens: Vec<TokenDigest>,
    /// `certificates`: names in its client certificates, `spiffe://…`, `dns:…` or `subject:…`.
    pub(crate) certificates: Vec<String>,
    /// The tenant's `client-ca`, or that of `[listen.tls]`: who must vouch for them.
    pub(crate) client_ca: Option<PathBuf>,
    /// `jwt`: whom an issuer's tokens must be about.
    pub(crate) jwt: Option<Subject>,
    /// `require`: what it must present in any case. Without it, any one of the above is enough.
    pub(crate) require: Require,
}

/// Credentials that are somebody's already, over all tenants.
#[derive(Debug, Default)]
pub(super) struct Taken {
    tokens: BTreeSet<TokenDigest>,
    /// By who vouches for them.
    certificates: BTreeMap<Option<PathBuf>, BTreeSet<String>>,
    subjects: BTreeSet<(usize, String)>,
}

impl Presented {
    /// Reads what caller `name` presents. `open` is whether its tenant is open to everybody.
    pub(super) fn read(
        section: &mut Section<'_>,
        (name, open): (Option<&CallerName>, bool),
        (names, client_ca): (&Names, Option<&PathBuf>),
        taken: &mut Taken,
    ) -> Self {
        let tokens = section.list("tokens", |value| token(value, &mut taken.tokens)).unwrap_or_default();
        let namesakes = taken.certificates.entry(client_ca.cloned()).or_default();
        let certificates =
            section.list("certificates", |value| certificate(value, namesakes)).unwrap_or_default();
        if section.has("certificates") && client_ca.is_none() {
            let fix = "add client-ca = \"clients.pem\" to [listen.tls], or to the tenant";
            section.mistake_at("certificates", Problem::new("`certificates`: none are asked for", fix));
        }
        let jwt = section.table("jwt").and_then(|jwt| subject(jwt, names, &mut taken.subjects));
        let required = section.list("require", one("something to present", &KINDS, |kind| kind));
        if let Some(name) = name {
            check_any(section, name, open);
        }

        let required = required.unwrap_or_default();
        let require =
            Require { certificate: required.contains(&CERTIFICATE), token: required.contains(&TOKEN) };
        check_required(section, require);
        Self { tokens, certificates, client_ca: client_ca.cloned(), jwt, require }
    }
}

fn check_any(section: &Section<'_>, name: &CallerName, open: bool) {
    let written = ["tokens", "certificates", "jwt"].into_iter().find(|field| section.has(field));
    match (name.as_str() == ANONYMOUS, written) {
        (true, _) if !open => section.mistake_at(
            "name",
            Problem::new(
                "`name`: `anonymous` is who sends no credentials",
                "choose another name, or open the tenant with anonymous = true",
            ),
        ),
        (true, Some(field)) => section.mistake_at(
            field,
            Problem::new(
                format!("`{field}`: `anonymous` is who sends none"),
                "remove them, or choose another name",
            ),
        ),
        (false, None) => {
            section.missing("tokens", NO_CREDENTIAL);
        }
        (true, None) | (false, Some(_)) => {}
    }
}

fn check_required(section: &Section<'_>, require: Require) {
    if require.token && !section.has("tokens") && !section.has("jwt") {
        let what = "`require`: the caller has no token that it could present";
        section.mistake_at("require", Problem::new(what, "add `tokens` or `jwt`, or remove \"token\""));
    }
    if require.certificate && !section.has("certificates") {
        let what = "`require`: the caller has no certificate that it could present";
        section.mistake_at("require", Problem::new(what, "add `certificates`, or remove \"certificate\""));
    }
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

fn certificate(value: &Value<'_>, taken: &mut BTreeSet<String>) -> Result<String, Problem> {
    let text = value.text()?;
    let name = match text.split_once(':') {
        Some(("spiffe", _)) if text.len() > SPIFFE.len() && text.starts_with(SPIFFE) => text.to_owned(),
        Some(("dns", name)) if is_dns_name(name) => text.to_ascii_lowercase(),
        Some(("subject", name)) if name.contains('=') => text.to_owned(),
        _ => {
            return Err(Problem::new(
                format!("{} is not a name in a certificate", value.shown()),
                "write spiffe://TRUST-DOMAIN/PATH, dns:NAME, or subject:O=…, CN=… in the certificate's order",
            ));
        }
    };
    if !taken.insert(name.clone()) {
        let what = format!("{} is written twice", value.shown());
        return Err(Problem::new(what, "give every caller names of its own"));
    }
    Ok(name)
}

/// A name stands for itself: a certificate for `*.example` is nobody's in particular.
fn is_dns_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn subject(
    mut section: Section<'_>,
    names: &Names,
    taken: &mut BTreeSet<(usize, String)>,
) -> Option<Subject> {
    let issuer = section.required("issuer", "\"cluster\"", names.issuer());
    let subject = section.required("subject", "\"system:serviceaccount:NAMESPACE:NAME\"", text);
    let claims = section.texts("claims");
    if let (Some(issuer), Some(subject)) = (issuer, &subject)
        && !taken.insert((issuer, subject.clone()))
    {
        let what = format!("`subject`: `{subject}` of this issuer is a caller already");
        section.mistake_at("subject", Problem::new(what, "give every caller a subject of its own"));
    }
    section.end();

    Some(Subject { issuer: issuer?, subject: subject?, claims })
}

const NO_CREDENTIAL: &str =
    "tokens = [\"sha256:…\"], as printed by: keyport token new; or `certificates`, or `jwt`";
const CERTIFICATE: &str = "certificate";
const TOKEN: &str = "token";
const KINDS: [&str; 2] = [CERTIFICATE, TOKEN];
