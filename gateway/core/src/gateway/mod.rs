//! The operations callers can ask for, each in a file of its own, and the gateway's own work beside them.
//!
//! Every operation runs in a task of its own, so that a caller that hangs up cannot skip the audit; what is left at
//! the deadline is only the waiting.

mod claims;
mod create;
mod creates;
mod list;
mod make;
mod possession;
mod probe;
mod reap;
mod rebind;
mod reclaim;
mod record;
mod refusals;
mod register;
mod rehearse;
mod release;
mod reload;
mod restore;
mod sign;
mod standing;
mod tenants;
#[cfg(test)]
mod tests;
mod verify;
mod versions;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use create::{CreateRequest, OnDuplicate, Source};
pub use probe::{ProviderHealth, Readiness};
pub use rebind::Misplaced;
pub use register::RegisterRequest;
pub use rehearse::Unfit;
pub use reload::{Missing, Stranded};
pub use sign::{SignRequest, Signed};
pub use standing::{Standing, Which};
pub use tenants::{Tenant, Tenants};
pub use verify::VerifyRequest;
pub use versions::{Versions, Watch, Withdrawn};

use crate::audit::AuditLog;
use crate::caller::Caller;
use crate::custody::Custody;
use crate::name::RequestId;
use crate::outside::Outside;
pub use crate::policy::How;
use crate::quota::{Admitted, Spending};
use crate::store::Keys;
use crate::{Error, Result};
use claims::Claims;
use creates::Creates;
use probe::Health;
use reap::Reaping;
use refusals::Refusals;

/// What the gateway is made of.
#[derive(Debug)]
pub struct Parts {
    /// Time, randomness, tasks.
    pub outside: Outside,
    /// Rows of keys.
    pub keys: Arc<dyn Keys>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// The ledger, and the backends behind it.
    pub custody: Arc<Custody>,
    /// Who is served, by which providers.
    pub tenants: Tenants,
    /// What can be set.
    pub options: Options,
}

/// What can be set about the gateway as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// How long making a key may take.
    pub create_timeout: Duration,
    /// How many refusals of one caller are recorded one by one in a minute; the rest are counted.
    pub refusals_per_minute: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { create_timeout: Duration::from_secs(120), refusals_per_minute: 600 }
    }
}

/// The signing gateway.
#[derive(Debug)]
pub struct Gateway {
    outside: Outside,
    keys: Arc<dyn Keys>,
    audit: Arc<dyn AuditLog>,
    custody: Arc<Custody>,
    tenants: RwLock<Arc<Tenants>>,
    options: Options,
    claims: Claims,
    creates: Creates,
    health: Health,
    reaping: Reaping,
    refusals: Refusals,
    spending: Spending,
}

/// What an operation needs to know of the request that asks for it.
#[derive(Clone, Debug)]
pub struct Context {
    /// The request.
    pub request_id: RequestId,
    /// The contract it came over.
    pub contract: &'static str,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

impl Gateway {
    /// Puts the gateway together. It serves once [`Gateway::start`] has returned.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { outside, keys, audit, custody, tenants, options } = parts;

        Arc::new(Self {
            refusals: Refusals::new(options.refusals_per_minute),
            claims: Claims::default(),
            creates: Creates::default(),
            health: Health::default(),
            reaping: Reaping::default(),
            spending: Spending::default(),
            outside,
            keys,
            audit,
            custody,
            tenants: RwLock::new(Arc::new(tenants)),
            options,
        })
    }

    /// Who is served now. What has begun goes on with what it began with.
    fn tenants(&self) -> Arc<Tenants> {
        Arc::clone(&self.tenants.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Admits a request of so many bytes, if it is within the quotas of its tenant and caller.
    fn admit(&self, caller: &Caller, bytes: usize) -> Result<Admitted> {
        let quotas = self.tenants().quotas(caller)?;

        self.spending.admit(caller, quotas, bytes, self.outside.clock.now())
    }

    /// Runs `work` to its end in a task of its own, and waits for it until `deadline`.
    ///
    /// It comes in a box, because a future of its size is dear to move.
    async fn detached<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: Pin<Box<dyn Future<Output = Result<T>> + Send>>,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.outside.tasks.spawn(Box::pin(async move {
            // A caller that is gone does not want the answer; the audit log has it.
            drop(answer.send(work.await));
        }));

        match self.outside.within(deadline, answered).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(Error::internal("the operation's task was lost")),
            None => Err(Error::unavailable("the operation's deadline passed")),
        }
    }
}
