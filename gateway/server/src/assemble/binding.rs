//! Binds connections to the custodians that they reached first, so that another one is never taken for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use keyport_core::Gateway;
use keyport_core::backend::Backend;
use keyport_core::name::ConnectionName;
use keyport_core::outside::Outside;
use keyport_store::Store;

use crate::config::Config;

/// Every connection's backend.
type Backends = HashMap<ConnectionName, Arc<dyn Backend>>;

/// Refuses names of connections that there are none of.
pub(super) fn check(config: &Config, rebind: &[ConnectionName]) -> Result<()> {
    for name in rebind {
        let is_known = config.connections.iter().any(|connection| connection.name == *name);
        ensure!(is_known, "--rebind: there is no connection `{name}`");
    }

    Ok(())
}

/// Binds what was never bound; and of `rebind` what holds every key that its connection should hold.
pub(super) async fn bind(
    backends: &Backends,
    rebind: &[ConnectionName],
    (store, gateway, outside): (&Store, &Gateway, &Outside),
) -> Result<()> {
    for (name, backend) in backends {
        let pinned = store.pinned(name).await?;
        let is_rebound = rebind.contains(name);
        if pinned.is_some() && !is_rebound {
            continue;
        }

        match backend.identity(outside.clock.now() + PATIENCE).await {
            Ok(Some(identity)) if is_rebound => {
                confirm(gateway, name).await?;
                tracing::warn!(connection = %name, ?pinned, identity, "the connection is bound to another custodian");
                store.pin(name, &identity).await?;
            }
            Ok(Some(identity)) => store.pin(name, &identity).await?,
            Ok(None) => {}
            Err(failure) if is_rebound => {
                return Err(failure).with_context(|| format!("connection `{name}` cannot be bound anew"));
            }
            // No key can be made there before it is reached; the next start binds it.
            Err(failure) => tracing::warn!(connection = %name, %failure, "the connection is not bound yet"),
        }
    }
    Ok(())
}

async fn confirm(gateway: &Gateway, connection: &ConnectionName) -> Result<()> {
    let misplaced = gateway.misplaced(connection).await?;
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

const PATIENCE: Duration = Duration::from_secs(5);

/// How many of the missing keys are named.
const SHOWN: usize = 10;
