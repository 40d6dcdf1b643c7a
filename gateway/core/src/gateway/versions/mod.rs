//! The versions of a provider that are loaded: the one that serves, and a newer one that serves in its place or beside it.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Gateway;
use crate::Error;
use crate::audit::{Event, Operation, Outcome};
use crate::failure::FailureKind;
use crate::provider::{Loaded, ProviderId};

/// One provider, in the version that serves, or in two.
///
/// A newer version serves all calls (it took the other's place) or a share of them (a canary). It is withdrawn, by an
/// operator or by itself, without anything being loaded: the other one is there, and serves from the next call on. Calls
/// that have begun end as they began.
#[derive(Debug)]
pub struct Versions {
    established: Arc<Loaded>,
    newer: Option<Newer>,
}

#[derive(Debug)]
struct Newer {
    loaded: Arc<Loaded>,
    weight: u64,
    watch: Watch,
    withdrawn: AtomicBool,
    calls: AtomicU64,
    window: Mutex<Window>,
}

/// When a newer version is withdrawn without being asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watch {
    /// How long it is watched after it began to serve. A canary is watched as long as it is one, in windows of this length.
    pub window: Duration,
    /// The share of its calls that may fail by its own fault, in percent.
    pub error_rate: u8,
}

impl Default for Watch {
    fn default() -> Self {
        Self { window: Duration::from_secs(300), error_rate: 5 }
    }
}

/// What was counted since a moment.
#[derive(Debug)]
struct Window {
    began: Instant,
    calls: u64,
    faults: u64,
}

/// A newer version that serves no more, and the one that serves in its place.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// What does not serve any more.
    pub newer: Arc<Loaded>,
    /// What serves.
    pub established: Arc<Loaded>,
}

impl Versions {
    /// A provider in one version.
    #[must_use]
    pub fn of(loaded: Loaded) -> Arc<Self> {
        Arc::new(Self { established: Arc::new(loaded), newer: None })
    }

    /// This one without a newer version, withdrawn or not.
    #[must_use]
    pub fn alone(&self) -> Arc<Self> {
        Arc::new(Self { established: Arc::clone(&self.established), newer: None })
    }

    /// The version that serves here, and `newer`, which serves `weight` percent of the calls from `now` on: all of them
    /// where that is 100.
    #[must_use]
    pub fn followed(&self, newer: Arc<Loaded>, weight: u8, watch: Watch, now: Instant) -> Arc<Self> {
        let newer = Newer {
            loaded: newer,
            weight: weight.min(ALL).into(),
            watch,
            withdrawn: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            window: Mutex::new(Window { began: now, calls: 0, faults: 0 }),
        };

        Arc::new(Self { established: Arc::clone(self.serving()), newer: Some(newer) })
    }

    /// The version for the next call.
    #[must_use]
    pub fn pick(&self) -> &Arc<Loaded> {
        let Some(newer) = self.newer() else { return &self.established };

        if newer.takes_next() { &newer.loaded } else { &self.established }
    }

    /// The version that serves every call, or every one that a canary does not.
    #[must_use]
    pub fn serving(&self) -> &Arc<Loaded> {
        match self.newer() {
            Some(newer) if newer.weight == u64::from(ALL) => &newer.loaded,
            Some(_) | None => &self.established,
        }
    }

    /// The version that serves beside the other, if one does, and its share of the calls in percent.
    #[must_use]
    pub fn canary(&self) -> Option<(&Arc<Loaded>, u64)> {
        let newer = self.newer().filter(|newer| newer.weight < u64::from(ALL))?;

        Some((&newer.loaded, newer.weight))
    }

    /// Every version that may get a call.
    pub fn in_use(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        std::iter::once(self.serving()).chain(self.canary().map(|(loaded, _)| loaded))
    }

    /// Every version, whether it gets calls or not.
    pub(super) fn loaded(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        std::iter::once(&self.established).chain(self.newer.as_ref().map(|newer| &newer.loaded))
    }

    /// What was withdrawn, if something was.
    #[must_use]
    pub fn withdrawn(&self) -> Option<Withdrawn> {
        let newer = self.newer.as_ref().filter(|newer| newer.withdrawn.load(Ordering::Acquire))?;

        Some(self.without(newer))
    }

    fn without(&self, newer: &Newer) -> Withdrawn {
        Withdrawn { newer: Arc::clone(&newer.loaded), established: Arc::clone(&self.established) }
    }

    /// What [`Versions::withdraw`] would withdraw now.
    #[must_use]
    pub fn withdrawable(&self) -> Option<Withdrawn> {
        self.newer().map(|newer| self.without(newer))
    }

    /// Has the newer version serve no more; `None` where there is none that serves.
    pub fn withdraw(&self) -> Option<Withdrawn> {
        let was_withdrawn = self.newer.as_ref()?.withdrawn.swap(true, Ordering::AcqRel);

        if was_withdrawn { None } else { self.withdrawn() }
    }

    /// Has the newer version serve again, watched anew from `now` on; `None` where none was withdrawn.
    pub fn readmit(&self, now: Instant) -> Option<Withdrawn> {
        let withdrawn = self.withdrawn()?;
        let newer = self.newer.as_ref()?;
        *newer.window.lock().unwrap_or_else(PoisonError::into_inner) =
            Window { began: now, calls: 0, faults: 0 };
        newer.withdrawn.store(false, Ordering::Release);

        Some(withdrawn)
    }

    /// Counts a call of the version `id`; answers what is withdrawn because of it.
    pub(super) fn count(&self, id: ProviderId, is_fault: bool, now: Instant) -> Option<Withdrawn> {
        let newer = self.newer().filter(|newer| newer.loaded.id == id)?;

        if newer.is_too_faulty(is_fault, now) { self.withdraw() } else { None }
    }

    /// The newer version, if it serves.
    fn newer(&self) -> Option<&Newer> {
        self.newer.as_ref().filter(|newer| !newer.withdrawn.load(Ordering::Acquire))
    }
}

impl Newer {
    /// Whether the next call is its own: its share of any hundred calls in a row, spread evenly.
    fn takes_next(&self) -> bool {
        if self.weight == u64::from(ALL) {
            return true;
        }
        let hundred = u64::from(ALL);
        let call = self.calls.fetch_add(1, Ordering::Relaxed) % hundred;

        call * self.weight % hundred < self.weight
    }

    fn is_too_faulty(&self, is_fault: bool, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.began) >= self.watch.window {
            if self.weight == u64::from(ALL) {
                return false;
            }
            *window = Window { began: now, calls: 0, faults: 0 };
        }

        window.calls += 1;
        window.faults += u64::from(is_fault);
        window.faults >= FEWEST
            && window.faults.saturating_mul(ALL.into())
                > window.calls.saturating_mul(self.watch.error_rate.into())
    }
}

impl Gateway {
    /// Counts a call of one of `versions`. A newer one that fails too often by its own fault serves no more from here on;
    /// the log is told of it, and no call waits for that.
    pub(super) fn watch(&self, versions: &Versions, loaded: &Loaded, is_fault: bool) {
        if versions.newer.is_none() {
            return;
        }
        let Some(withdrawn) = versions.count(loaded.id, is_fault, self.outside.clock.now()) else { return };

        let detail = format!("{withdrawn}, as it failed too often");
        tracing::error!("{detail}");
        let mut event = Event::new(self.outside.clock.wall(), Operation::Configure, Outcome::Ok);
        event.provider = Some(loaded.name.clone());
        event.component = Some(withdrawn.established.component.clone());
        event.detail = Some(detail);
        let audit = Arc::clone(&self.audit);
        self.outside.tasks.spawn(Box::pin(async move {
            if let Err(error) = audit.append(event).await {
                tracing::error!(error = %error.detail(), "the withdrawal cannot be recorded");
            }
        }));
    }
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { newer, established } = self;

        let (back, from) = (&established.component, &newer.component);
        if back == from {
            return write!(
                f,
                "provider `{}` is back at the configuration that it had before with {back}",
                newer.name
            );
        }
        write!(f, "provider `{}` is back at {back} from {from}", newer.name)
    }
}

/// Whether a call failed by its provider's fault: not by the caller's, and not by what the `custodian` said.
pub(super) fn is_fault(error: Option<&Error>, custodian: Option<FailureKind>) -> bool {
    let is_custodians = custodian.is_some_and(|kind| match kind {
        // What a custodian says to a provider that words its requests wrongly.
        FailureKind::InvalidArgument | FailureKind::Denied | FailureKind::Unsupported => false,
        FailureKind::NotFound
        | FailureKind::KeyGone
        | FailureKind::Exists
        | FailureKind::Credentials
        | FailureKind::OperatorNeeded
        | FailureKind::Throttled
        | FailureKind::Unavailable
        | FailureKind::Internal
        | FailureKind::Other => true,
    });

    error.is_some_and(|error| !error.is_refusal()) && !is_custodians
}

/// The weight of a version that serves every call.
const ALL: u8 = 100;

/// So few faults are no rate.
const FEWEST: u64 = 5;
