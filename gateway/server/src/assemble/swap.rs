//! From the versions of providers that serve to those that a changed configuration wants, each tried before it serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use keyport_core::audit::Outcome;
use keyport_core::gateway::{Versions, Withdrawn};
use keyport_core::name::ProviderName;
use keyport_core::provider::Loaded;

use super::providers::{self, Loader};
use super::reload::Running;
use crate::administration::{Administrator, Change, Changed};
use crate::config::{Canary, Config, Provider};

/// Loads every provider, or none. Nothing serves yet, so nothing is tried.
pub(super) async fn first(config: &Config, loader: &Loader) -> Result<HashMap<ProviderName, Arc<Versions>>> {
    let mut loaded = HashMap::new();
    for provider in &config.providers {
        loaded.insert(provider.name.clone(), start(provider, loader).await?);
    }

    Ok(loaded)
}

async fn start(provider: &Provider, loader: &Loader) -> Result<Arc<Versions>> {
    let versions = Versions::of(providers::load_one(provider, loader).await?);
    let (Some(canary), Some(version)) = (&provider.canary, provider.canary_version()) else {
        return Ok(versions);
    };

    let newer = Arc::new(providers::load_one(&version, loader).await?);
    Ok(versions.followed(newer, canary.weight, provider.swap.watch, loader.outside.clock.now()))
}

impl Running {
    /// The providers of `config`: as they serve now where nothing about them changed, and with new versions where
    /// something did. A version that is unfit is a mistake, and changes nothing.
    pub(super) async fn next_versions(
        &self,
        config: &Config,
    ) -> Result<HashMap<ProviderName, Arc<Versions>>> {
        let mut next = HashMap::new();
        for provider in &config.providers {
            let versions = match self.before(provider) {
                Some((before, running)) => self.changed(provider, before, running).await?,
                None => start(provider, &self.loader).await?,
            };
            next.insert(provider.name.clone(), versions);
        }

        Ok(next)
    }

    /// Has a provider's newer version withdrawn or serve again.
    pub(super) async fn change(&self, by: Administrator, provider: &str, change: Change) -> Result<Changed> {
        let versions = self.providers.iter().find(|(name, _)| name.as_str() == provider);
        let (_, versions) = versions.with_context(|| format!("there is no provider `{provider}`"))?;
        let changed = match change {
            Change::Rollback => versions.withdrawable().with_context(|| {
                format!("provider `{provider}` has no version before the one that serves to go back to")
            }),
            Change::Readmit => versions
                .withdrawn()
                .with_context(|| format!("no version of provider `{provider}` was withdrawn")),
        }?;

        let detail = match change {
            Change::Rollback => format!("{changed}, rolled back by {by}"),
            Change::Readmit => {
                let (name, newer) = (&changed.newer.name, &changed.newer.component);
                format!("provider `{name}` is at {} again, readmitted by {by}", newer.as_str())
            }
        };
        // No change without its event.
        let recorded = self.gateway.configured(detail.clone(), Outcome::Ok).await;
        recorded.context("it cannot be recorded, so nothing is changed")?;
        tracing::info!("{detail}");
        // What came to nothing because the newer version failed too often meanwhile has come to the same.
        drop(match change {
            Change::Rollback => versions.withdraw(),
            Change::Readmit => versions.readmit(self.outside.clock.now()),
        });
        Ok(told(&changed))
    }

    fn before(&self, provider: &Provider) -> Option<(&Provider, &Arc<Versions>)> {
        let before = self.config.providers.iter().find(|before| before.name == provider.name);

        before.zip(self.providers.get(&provider.name))
    }

    async fn changed(
        &self,
        provider: &Provider,
        before: &Provider,
        running: &Arc<Versions>,
    ) -> Result<Arc<Versions>> {
        let is_same = provider.version() == before.version();
        let canary = provider.canary.as_ref().zip(provider.canary_version());
        match canary {
            _ if is_same && provider.canary == before.canary => Ok(Arc::clone(running)),
            None if is_same => Ok(running.alone()),
            None => {
                let newer = self.tried(provider, &provider.version(), running).await?;
                Ok(running.followed(newer, 100, provider.swap.watch, self.outside.clock.now()))
            }
            Some((canary, version)) if is_same => {
                let newer = match beside(before, canary, running) {
                    Some(loaded) => loaded,
                    None => self.tried(provider, &version, running).await?,
                };
                let now = self.outside.clock.now();
                Ok(running.followed(newer, canary.weight, provider.swap.watch, now))
            }
            Some(_) => bail!(
                "provider `{}` has a canary: change that or the provider itself, and then the other",
                provider.name
            ),
        }
    }

    /// A new version, loaded and fit to serve.
    async fn tried(
        &self,
        provider: &Provider,
        version: &Provider,
        running: &Versions,
    ) -> Result<Arc<Loaded>> {
        let newer = Arc::new(providers::load_one(version, &self.loader).await?);
        let deadline = self.outside.clock.now() + REHEARSAL;
        let fit = self
            .gateway
            .rehearse(&newer, running.serving(), provider.swap.probe_key.as_ref(), deadline)
            .await;

        fit.with_context(|| {
            format!("provider `{}` does not take {} into service", newer.name, newer.component)
        })?;
        Ok(newer)
    }
}

/// The canary that runs, if it is the one that is wanted, and only its weight may be another.
fn beside(before: &Provider, canary: &Canary, running: &Versions) -> Option<Arc<Loaded>> {
    let same = before.canary.as_ref()?;
    let (loaded, _) = running.canary()?;

    (same.component == canary.component && same.digest == canary.digest).then(|| Arc::clone(loaded))
}

/// What differs from the configuration, as a version was withdrawn.
pub(super) fn withdrawn(providers: &HashMap<ProviderName, Arc<Versions>>) -> Vec<String> {
    let mut lines: Vec<_> =
        providers.values().filter_map(|versions| versions.withdrawn()).map(|line| line.to_string()).collect();
    lines.sort();
    lines
}

/// What serves, a word for each provider, and another for its canary.
pub(super) fn summary(providers: &HashMap<ProviderName, Arc<Versions>>) -> String {
    let named = |versions: &Arc<Versions>| {
        let serving = versions.serving();
        let canary = versions.canary();
        let canary = canary.map(|(loaded, weight)| format!(", {weight} % by {}", loaded.component.as_str()));
        format!("{} {}{}", serving.name, serving.component.as_str(), canary.unwrap_or_default())
    };

    let mut named: Vec<_> = providers.values().map(named).collect();
    named.sort();
    named.join(", ")
}

/// How an operator is told.
fn told(Withdrawn { newer, established }: &Withdrawn) -> Changed {
    Changed {
        provider: newer.name.to_string(),
        newer: newer.component.as_str().to_owned(),
        established: established.component.as_str().to_owned(),
    }
}

/// How long a new version may take to show that it is fit.
const REHEARSAL: Duration = Duration::from_secs(30);
