//! Who is known: everybody in the configuration, by what they present.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use keyport_core::caller::Caller;
use keyport_core::outside::Outside;

use crate::auth::{Authenticator, Credentials, Parts};
use crate::config::{ANONYMOUS, Config, Presented};

/// Whether the files that issuers refer to are there, and right.
pub(super) fn check(config: &Config) -> Result<()> {
    config.issuers.iter().try_for_each(|issuer| issuer.check().context("tokens cannot be verified"))
}

/// What knows everybody; `before` is what did so until now. Must be called in a runtime.
pub(super) fn authenticator(
    config: &Config,
    before: Option<&Authenticator>,
    outside: &Outside,
) -> Result<Arc<Authenticator>> {
    check(config)?;
    let authorities = client_authorities(config);
    let callers = config.tenants.iter().flat_map(|tenant| &tenant.callers).map(|one| Credentials {
        caller: Arc::clone(&one.caller),
        tokens: one.presented.tokens.clone(),
        certificates: certificates(&one.presented, &authorities),
        jwt: one.presented.jwt.clone(),
        require: one.presented.require,
    });
    let parts = Parts {
        callers: callers.collect(),
        anonymous: anonymous(config),
        issuers: config.issuers.clone(),
        proxies: config.listen.proxies.clone(),
        held_back: usize::try_from(config.listen.limits.connections / 4).unwrap_or(usize::MAX),
    };

    Ok(Arc::new(Authenticator::new(parts, before, outside.clone())))
}

/// Everybody who vouches for clients, a file for each, without repetition.
pub(super) fn client_authorities(config: &Config) -> Vec<PathBuf> {
    let callers = config.tenants.iter().flat_map(|tenant| &tenant.callers);
    let in_use = callers.filter(|caller| !caller.presented.certificates.is_empty());
    let mut all: Vec<_> = config.listen.tls.client_ca.iter().cloned().collect();
    for path in in_use.filter_map(|caller| caller.presented.client_ca.as_ref()) {
        if !all.contains(path) {
            all.push(path.clone());
        }
    }
    all
}

fn certificates(presented: &Presented, authorities: &[PathBuf]) -> Vec<(usize, String)> {
    let place = authorities.iter().position(|path| presented.client_ca.as_ref() == Some(path));

    place
        .into_iter()
        .flat_map(|place| presented.certificates.iter().map(move |name| (place, name.clone())))
        .collect()
}

fn anonymous(config: &Config) -> Option<Arc<Caller>> {
    let tenant = config.tenants.iter().find(|tenant| tenant.anonymous)?;
    tracing::warn!(tenant = %tenant.name, "OPEN TO EVERYBODY: requests without credentials are served");

    let anonymous = tenant.callers.iter().find(|caller| caller.caller.name.as_str() == ANONYMOUS)?;
    Some(Arc::clone(&anonymous.caller))
}
