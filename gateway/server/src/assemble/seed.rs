//! Keys that are derived, with their seed from where the configuration says it is.

use anyhow::{Context, Result, ensure};
use keyport_backends::derived::{Derived, Seed};
use keyport_backends::secret_file;
use keyport_core::name::ConnectionName;
use keyport_core::secret::Secret;

use super::pin::one_line;
use crate::config::{self, SecretSource};

/// The keys of a connection's seed.
pub(super) fn opened(derived: &config::Derived) -> Result<Derived> {
    let text = match &derived.seed {
        SecretSource::Environment(text) => text.clone(),
        SecretSource::File(file) => one_line(&secret_file::read(file, "the seed", LONGEST)?),
    };
    let seed = read(&text).with_context(|| match &derived.seed {
        SecretSource::Environment(_) => "the seed's environment variable holds none".to_owned(),
        SecretSource::File(file) => format!("there is no seed in {}", file.display()),
    })?;

    Ok(Derived::new(seed, derived.scope.clone())?)
}

/// The same, of the seed that the connection was bound to, and loud about what it is for.
pub(super) fn serving(
    name: &ConnectionName,
    derived: &config::Derived,
    bound: Option<&str>,
) -> Result<Derived> {
    let derived = opened(derived)?;
    ensure!(
        bound.is_none_or(|bound| bound == derived.identity()),
        "its keys were made of another seed or scope: bring that back, or start with --rebind {name} if every key is the same"
    );

    tracing::warn!(connection = %name, "keys come from a seed: for development only");
    Ok(derived)
}

fn read(text: &Secret) -> Result<Seed> {
    Ok(std::str::from_utf8(text.expose()).context("it is not text")?.parse()?)
}

/// Bytes that are read of a file: more than any spelling of a seed has.
const LONGEST: usize = 256;
