//! Binds connections to the custodians that they reached first, so that another one is never taken for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use keyport_core::Gateway;
use keyport_core::audit::Outcome;
use keyport_core::backend::Backend;
use keyport_core::custody::Replicas;
use keyport_core::name::ConnectionName;
use keyport_core::outside::Outside;
use keyport_store::Pins;

use crate::config::Config;

/// Binds connections.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pins: Pins,
    gateway: Arc<Gateway>,
    outside: Outside,
}

/// Refuses names of connections that there are none of.
pub(super) fn check(config: &Config, rebind: &[ConnectionName]) -> Result<()> {
    for name in rebind {
        let is_known = config.connections.iter().any(|connection| connection.name == *name);
        ensure!(is_known, "--rebind: there is no connection `{name}`");
    }

    Ok(())
}

impl Binding {
    /// What is bound is kept in `pins`, and on record in the audit log of `gateway`.
    pub(super) fn new(pins: Pins, gateway: &Arc<Gateway>, outside: &Outside) -> Self {
        Self { pins, gateway: Arc::clone(gateway), outside: outside.clone() }
    }

    /// Binds what was never bound; and of `rebind` what holds every key that its connection should hold.
    ///
    /// No two connections may reach one token, as an object would then be two keys'; but for those in `replicas`, on which no
    /// provider has keys.
    pub(super) async fn bind(
        &self,
        backends: &HashMap<ConnectionName, Arc<dyn Backend>>,
        rebind: &[ConnectionName],
        replicas: &Replicas,
    ) -> Result<()> {
        let mut bound = HashMap::<String, &ConnectionName>::new();
        for (name, backend) in backends {
            let pinned = self.pins.pinned(name).await?;
            let identity = match (pinned, rebind.contains(name)) {
                (Some(identity), false) => Some(identity),
                (pinned, true) => self.rebind(name, backend, pinned).await?,
                (None, false) => self.first(name, backend).await?,
            };
            let identity = identity.filter(|_| !replicas.values().any(|some| some.contains(name)));
            if let Some(other) = identity.and_then(|identity| bound.insert(identity, name)) {
                bail!("connections `{name}` and `{other}` reach the same token: keep one, and grant that");
            }
        }
        Ok(())
    }

    /// Binds a connection that never was; later, where its custodian is away now.
    async fn first(&self, name: &ConnectionName, backend: &Arc<dyn Backend>) -> Result<Option<String>> {
        match backend.identity(self.outside.clock.now() + PATIENCE).await {
            Ok(Some(identity)) => self.pin(name, None, identity).await.map(Some),
            Ok(None) => Ok(None),
            Err(failure) => {
                tracing::warn!(connection = %name, %failure, "the connection is bound when it is first reached");
                let (binding, name, backend) = (self.clone(), name.clone(), Arc::clone(backend));
                self.outside.tasks.spawn(Box::pin(async move { binding.later(&name, &*backend).await }));
                Ok(None)
            }
        }
    }

    async fn later(&self, name: &ConnectionName, backend: &dyn Backend) {
        loop {
            let Ok(Some(identity)) = backend.identity(self.outside.clock.now() + LATER).await else {
                self.outside.clock.sleep_until(self.outside.clock.now() + PAUSE).await;
                continue;
            };
            let pinned = self.pin(name, None, identity).await;
            return pinned.map(drop).unwrap_or_else(|error| {
                tracing::error!(connection = %name, "the connection cannot be bound: {error:#}");
            });
        }
    }

    async fn rebind(
        &self,
        name: &ConnectionName,
        backend: &Arc<dyn Backend>,
        pinned: Option<String>,
    ) -> Result<Option<String>> {
        let identity = backend.identity(self.outside.clock.now() + PATIENCE).await;
        let identity = identity.with_context(|| format!("connection `{name}` cannot be bound anew"))?;
        let Some(identity) = identity else { return Ok(None) };

        self.confirm(name).await?;
        self.pin(name, pinned, identity).await.map(Some)
    }

    /// Binds a connection, once that is on record.
    async fn pin(&self, name: &ConnectionName, before: Option<String>, identity: String) -> Result<String> {
        let instead = before.map(|before| format!(" instead of {before}")).unwrap_or_default();
        let detail = format!("connection `{name}` is bound to {identity}{instead}");
        tracing::info!("{detail}");
        let recorded = self.gateway.configured(detail, Outcome::Ok).await;
        recorded.context("the binding cannot be recorded")?;

        self.pins.pin(name, &identity).await?;
        Ok(identity)
    }

    async fn confirm(&self, connection: &ConnectionName) -> Result<()> {
        let misplaced = self.gateway.misplaced(connection).await?;
        if misplaced.is_empty() {
            return Ok(());
        }

        let keys: Vec<_> = misplaced.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = misplaced.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        bail!(
            "connection `{connection}` cannot be bound anew, as keys are missing there: {}{more}; \
             copy them there first, or start without --rebind on the custodian that has them",
            keys.join("; ")
        )
    }
}

/// How long a start waits for a custodian that was never reached.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the background does, and how long it pauses.
const LATER: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// How many of the missing keys are named.
const SHOWN: usize = 10;
