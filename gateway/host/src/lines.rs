//! Guests' lines on their way to the operator's log, which a thread of the gateway's own writes.
//!
//! Whoever writes to the log holds its lock. A guest's thread that was held up meanwhile, as those of lower priority are,
//! would hold up all that have something to say; so guests only put their lines into a queue.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use keyport_core::name::RequestId;
use keyport_core::name::{ProviderName, TenantId};

use crate::bindings::log::Level;

/// A line, safe to be shown.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: String,
    pub(crate) provider: ProviderName,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) request: Option<RequestId>,
    /// How many went unheard before it.
    pub(crate) unheard: u64,
}

/// The queue. Its thread ends when nobody can put anything in any more.
#[derive(Clone, Debug)]
pub(crate) struct Lines(SyncSender<Line>);

impl Lines {
    pub(crate) fn start() -> io::Result<Self> {
        let (lines, queue) = sync_channel(LENGTH);
        thread::Builder::new().name("keyport-lines".to_owned()).spawn(move || write(&queue))?;

        Ok(Self(lines))
    }

    /// Answers whether there was room for it.
    pub(crate) fn put(&self, line: Line) -> bool {
        self.0.try_send(line).is_ok()
    }
}

fn write(queue: &Receiver<Line>) {
    for Line { level, text, provider, tenant, request, unheard } in queue {
        let (provider, tenant) = (provider.as_str(), tenant.as_ref().map(TenantId::as_str));
        let request = request.as_ref().map(|id| id.as_str());
        if unheard > 0 {
            tracing::warn!(target: TARGET, provider, tenant, "{unheard} earlier lines were over the budget");
        }

        match level {
            Level::Debug => tracing::debug!(target: TARGET, provider, tenant, request, "{text}"),
            Level::Info => tracing::info!(target: TARGET, provider, tenant, request, "{text}"),
            Level::Warn => tracing::warn!(target: TARGET, provider, tenant, request, "{text}"),
            Level::Error => tracing::error!(target: TARGET, provider, tenant, request, "{text}"),
        }
        // What comes in floods can wait for whoever else has something to do.
        thread::yield_now();
    }
}

/// What the lines are filtered by.
const TARGET: &str = "keyport::guest";

/// Lines that may wait: of a kilobyte at most.
const LENGTH: usize = 1024;
