//! The data folder: the store and the audit log in it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use keyport_backends::soft::{self, MasterKey};
use keyport_core::audit::{AuditLog, Event, Operation, Outcome};
use keyport_core::outside::Outside;
use keyport_store::Store;
use keyport_store::audit::{Durability, Gap, Options, Recovery, Retention};
use tokio::runtime::Handle;

use super::custodians;
use crate::config::{self, Audit, Config};
use crate::outside::outside;

/// The audit log; what was found when it was opened goes to the operator's log.
pub(super) async fn audit(config: &Config, store: &Store) -> Result<Arc<dyn AuditLog>> {
    let (audit, recovery) = store.audit(options(&config.audit)).await?;
    report(&recovery);
    Ok(audit)
}

/// Puts everything that is sealed under the master key in the file `new`. Returns how many keys there were.
///
/// The gateway must not be running: the data folder is locked meanwhile.
pub(crate) async fn rotate(config: &Config, new: &Path) -> Result<u64> {
    let outside = outside(Handle::current());
    let old = custodians::master_key(config)?.context("the configuration has no master key to replace")?;
    let new = MasterKey::read(new)?;
    let store = Store::open(&config.data, Arc::clone(&outside.clock))
        .await
        .context("a master key can be replaced only while the gateway is stopped")?;

    let rotated = rotate_in(config, &store, (&old, &new), &outside).await;
    store.close().await;
    rotated
}

async fn rotate_in(
    config: &Config,
    store: &Store,
    (old, new): (&MasterKey, &MasterKey),
    outside: &Outside,
) -> Result<u64> {
    let audit = audit(config, store).await?;
    let keys = soft::rotate(&*store.sealed(), old, new).await?;

    let mut event = Event::new(outside.clock.wall(), Operation::Configure, Outcome::Ok);
    event.detail = Some(format!("master key replaced, {keys} keys under the new one"));
    audit.append(event).await.context("the master key is replaced, but that cannot be recorded")?;
    Ok(keys)
}

fn options(Audit { sync, preallocate, segment_size, retention, archive }: &Audit) -> Options {
    Options {
        durability: match sync {
            config::Sync::Always => Durability::Always,
            config::Sync::Interval(interval) => Durability::Interval(*interval),
        },
        preallocate: *preallocate,
        segment_size: u64::try_from(*segment_size).unwrap_or(u64::MAX),
        retention: Retention { age: *retention, size: None, archive: archive.clone() },
    }
}

fn report(Recovery { last, torn, gap, unknown }: &Recovery) {
    tracing::info!(last, "audit log opened");
    for torn in torn {
        let (segment, kept) = (torn.segment.display(), torn.kept.display());
        tracing::warn!(%segment, bytes = torn.bytes, %kept, "the audit log's last line was torn; it is repaired");
    }
    match gap {
        Some(Gap::Missing { last, head }) => {
            tracing::error!(
                last,
                head,
                "THE AUDIT LOG LOST ENTRIES: it ends before the last one that was on disk"
            );
        }
        Some(Gap::Altered { seq }) => {
            tracing::error!(seq, "THE AUDIT LOG WAS ALTERED: its last entry is another");
        }
        None => {}
    }
    if !unknown.is_empty() {
        tracing::warn!(intents = ?unknown, "operations were under way at the last stop; their outcome is unknown");
    }
}
