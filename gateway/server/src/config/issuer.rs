//! Whose JSON Web Tokens are accepted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mistake::Problem;
use super::names::unique;
use super::section::Section;
use super::value::{Value, duration, duration_or_none, one, path, text};
use crate::auth::{Algorithm, Issuer, KeySource, Location, Remote};

/// What must be unique over all issuers.
#[derive(Debug, Default)]
pub(super) struct Taken {
    names: BTreeSet<String>,
    issuers: BTreeSet<String>,
}

/// Reads `[[issuer]]`: somebody whose tokens are accepted, and where its keys are.
///
/// `name` is what callers refer to, `issuer` the claim `iss`, `audiences` what the claim `aud` may be, `algorithms`
/// how it may sign. Its keys are in `jwks-file`, at `jwks-url` (vouched for by `ca`), or at the API server of a
/// `kubernetes` cluster. `leeway` is how far apart its clock and ours may be, `refresh` how often its keys are
/// fetched, `fetch-timeout` how long that may take, `fetch-pause` how long after one attempt the next may begin, and
/// `stale` for how long the keys are good where they cannot be fetched.
pub(super) fn read(mut section: Section<'_>, folder: &Path, taken: &mut Taken) -> Option<Issuer> {
    let name = section.required("name", "\"cluster\"", unique(&mut taken.names, text));
    let keys = read_keys(&mut section, folder);
    let issuer = read_issuer(&mut section, taken);
    if !section.has("audiences") {
        section.missing("audiences", "audiences = [\"keyport\"]: tokens for somebody else are refused");
    }
    let audiences = section.list("audiences", filled);
    let algorithms = section.list("algorithms", one("a way to sign", &ALGORITHMS, algorithm));
    let leeway = section.or("leeway", Duration::from_secs(30), leeway);
    let refresh = section.or("refresh", Duration::from_secs(5 * 60), duration);
    let pause = section.or("fetch-pause", Duration::from_secs(5), duration);
    let stale = section.or("stale", Duration::from_secs(24 * 60 * 60), duration);
    if stale < refresh {
        section
            .mistake_at("stale", Problem::new("`stale` is shorter than `refresh`", "make it the longer one"));
    }
    section.end();

    Some(Issuer {
        name: name?,
        issuer,
        audiences: audiences?,
        algorithms: algorithms.unwrap_or_else(|| ALGORITHMS.into()),
        keys: keys?,
        leeway,
        refresh,
        pause,
        stale,
    })
}

fn read_issuer(section: &mut Section<'_>, taken: &mut Taken) -> Option<String> {
    // A cluster says who it is, if it is not said here.
    if section.has("kubernetes") {
        return section.optional("issuer", filled);
    }

    let unique_issuer = |value: &Value<'_>| {
        let issuer = filled(value)?;
        if !taken.issuers.insert(issuer.clone()) {
            return Err(Problem::new(
                format!("{} is written above another issuer", value.shown()),
                "name its audiences there, or its further keys",
            ));
        }
        Ok(issuer)
    };
    section.required("issuer", "\"https://issuer.example\"", unique_issuer)
}

fn read_keys(section: &mut Section<'_>, folder: &Path) -> Option<KeySource> {
    let sources = ["jwks-file", "jwks-url", "kubernetes"];
    if sources.iter().filter(|source| section.has(source)).count() != 1 {
        section.mistake(Problem::new(
            "[[issuer]] does not say in one way where its keys are",
            "add one of: jwks-file = \"keys.json\", jwks-url = \"https://…\", kubernetes = { api-server = \"https://…\" }",
        ));
    }
    let timeout = section.or("fetch-timeout", Duration::from_secs(5), duration);
    let file = section.optional("jwks-file", path(folder));
    let ca = section.optional("ca", path(folder));
    let url = section.optional("jwks-url", location);
    let kubernetes = section.table("kubernetes").and_then(|section| read_cluster(section, folder, timeout));
    if ca.is_some() && !section.has("jwks-url") {
        section.mistake_at(
            "ca",
            Problem::new("`ca` belongs to `jwks-url`", "remove it, or move it into `kubernetes`"),
        );
    }

    let url = url.map(|location| KeySource::Url(Remote { location, ca, token: None, timeout }));
    file.map(KeySource::File).or(url).or(kubernetes)
}

/// `kubernetes`: where the `api-server` is, the `ca` that vouches for it, and the file with the `token` that it
/// wants to see, where it does not answer everybody.
fn read_cluster(mut section: Section<'_>, folder: &Path, timeout: Duration) -> Option<KeySource> {
    let location = section.required("api-server", "\"https://kubernetes.default.svc\"", location);
    let ca = section.optional("ca", path(folder));
    let token: Option<PathBuf> = section.optional("token-file", path(folder));
    section.end();

    Some(KeySource::Kubernetes(Remote { location: location?, ca, token, timeout }))
}

/// The value is never shown: there may be a password in it.
fn location(value: &Value<'_>) -> Result<Location, Problem> {
    value
        .text()?
        .parse()
        .map_err(|rule| Problem::new("this is not a URL to fetch from", format!("it {rule}")))
}

fn filled(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;

    if text.is_empty() { Err(Problem::new("this is empty", "write what the tokens say")) } else { Ok(text) }
}

fn leeway(value: &Value<'_>) -> Result<Duration, Problem> {
    let leeway = duration_or_none(value)?;
    if leeway > MOST_LEEWAY {
        return Err(Problem::new(
            format!("{} is too long", value.shown()),
            "write at most 5m, and set the clocks",
        ));
    }
    Ok(leeway)
}

fn algorithm(algorithm: &Algorithm) -> &'static str {
    ALGORITHMS.iter().zip(NAMES).find(|(known, _)| *known == algorithm).map_or("", |(_, name)| name)
}

/// Signatures only: a gateway that shared a secret with an issuer could be told anything.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];
const NAMES: [&str; 9] = ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
const MOST_LEEWAY: Duration = Duration::from_secs(5 * 60);
