//! Finishes what was interrupted and destroys what was given up: the gateway's own work on keys.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Gateway;
use super::sign::key_ref;
use crate::audit::{Event, Operation, Outcome};
use crate::failure::Failure;
use crate::key::{Key, KeyId, State};
use crate::name::TenantId;
use crate::outside::Timestamp;
use crate::policy;
use crate::provider::{Call, Loaded};
use crate::{Error, Result};

impl Gateway {
    /// Begins: records the start, closes what an earlier process left open, and undoes its interrupted creates.
    ///
    /// The rows are put right before this returns; their objects are destroyed by the rounds of [`Gateway::reap`].
    pub async fn start(&self, detail: String) -> Result<()> {
        let mut event = Event::new(self.outside.clock.wall(), Operation::Start, Outcome::Ok);
        event.detail = Some(detail);
        self.audit.append(event).await?;

        for tenant in self.keys.tenants().await? {
            for key in self.keys.list(&tenant).await? {
                match key.state {
                    State::Pending => self.give_up(&tenant, key.id).await.map(drop)?,
                    State::Released | State::Destroyed if key.event.is_none() => self.recover(&key).await?,
                    State::Active | State::Released | State::Destroying | State::Destroyed => (),
                }
            }
        }
        Ok(())
    }

    /// Ends: writes what was only counted so far, and the stop itself.
    pub async fn stop(&self) -> Result<()> {
        self.summarise(true).await?;
        self.audit.append(Event::new(self.outside.clock.wall(), Operation::Stop, Outcome::Ok)).await.map(drop)
    }

    /// Records a change of the gateway's own configuration, certificates or keys.
    pub async fn configured(&self, detail: String, outcome: Outcome) -> Result<()> {
        let mut event = Event::new(self.outside.clock.wall(), Operation::Configure, outcome);
        event.detail = Some(detail);

        self.audit.append(event).await.map(drop)
    }

    /// One round over all tenants, each in a task of its own, so that none waits for another's custodian. Tenants whose
    /// last round has not ended are left out.
    pub async fn reap(self: &Arc<Self>) -> Result<()> {
        let now = self.outside.clock.now();
        self.creates.sweep(now);
        self.spending.sweep(now);
        self.summarise(false).await?;

        let mut rounds = Vec::new();
        for tenant in self.keys.tenants().await? {
            let Some(round) = self.reaping.begin(&tenant) else { continue };
            let (done, ended) = oneshot::channel::<()>();
            let gateway = Arc::clone(self);
            self.outside.tasks.spawn(Box::pin(async move {
                gateway.round(&tenant).await;
                drop(round);
                drop(done);
            }));
            rounds.push(ended);
        }
        for ended in rounds {
            // Ends by being dropped.
            drop(ended.await);
        }
        Ok(())
    }

    async fn summarise(&self, last: bool) -> Result<()> {
        let (now, wall) = (self.outside.clock.now(), self.outside.clock.wall());
        for event in self.refusals.summaries(now, wall, last) {
            self.audit.append(event).await?;
        }

        Ok(())
    }

    async fn round(&self, tenant: &TenantId) {
        if let Err(error) = self.reap_tenant(tenant).await {
            tracing::warn!(%tenant, error = %error.detail(), "a round of the reaper was cut short");
        }
    }

    async fn reap_tenant(&self, tenant: &TenantId) -> Result<()> {
        let wall = self.outside.clock.wall();

        for key in self.keys.list(tenant).await? {
            let settled = wall >= key.changed.plus(SETTLED);
            match key.state {
                State::Pending if self.is_abandoned(&key, wall) => self.undo(tenant, key.id, true).await,
                State::Released if key.destroy_after.is_some_and(|due| wall >= due) => {
                    self.undo(tenant, key.id, false).await;
                }
                State::Destroying => self.destroy(&key).await?,
                State::Released | State::Destroyed if key.event.is_none() && settled => {
                    self.recover(&key).await?;
                }
                State::Pending | State::Active | State::Released | State::Destroyed => (),
            }
        }
        Ok(())
    }

    /// Whether nobody works on a pending row any more.
    fn is_abandoned(&self, key: &Key, wall: Timestamp) -> bool {
        !self.creates.is_under_way(&key.tenant, &key.name)
            && wall >= key.created.plus(self.options.create_timeout).plus(SETTLED)
    }

    /// Gives a row up and destroys what it left. What fails now is tried again by the next round.
    pub(super) async fn undo(&self, tenant: &TenantId, id: KeyId, was_abandoned: bool) {
        if was_abandoned {
            tracing::warn!(%tenant, key_id = %id, "undoing a create that was interrupted");
        }
        let undone = match self.give_up(tenant, id).await {
            Ok(Some(key)) => self.destroy(&key).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };

        if let Err(error) = undone {
            tracing::warn!(%tenant, key_id = %id, error = %error.detail(), "a key is not destroyed yet");
        }
    }

    /// Takes a pending row, or a released one whose time has come, to `destroying`; `None` where it is neither.
    async fn give_up(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Arc<Key>>> {
        for _ in 0..ROW_ATTEMPTS {
            let Some(key) = self.keys.key(tenant, id).await? else { return Ok(None) };
            let wall = self.outside.clock.wall();
            let due = match key.state {
                State::Pending => true,
                State::Released => key.destroy_after.is_some_and(|due| wall >= due),
                State::Destroying => return Ok(Some(key)),
                State::Active | State::Destroyed => false,
            };
            if !due {
                return Ok(None);
            }
            if self.keys.update(tenant, &[key.destroying(wall)]).await? {
                return self.keys.key(tenant, id).await;
            }
        }

        Err(Error::unavailable("the row kept changing"))
    }

    /// Destroys the object of a row that is `destroying`, and records it. Quietly does nothing while it is too early to
    /// try again, or while somebody else works on the key.
    async fn destroy(&self, key: &Arc<Key>) -> Result<()> {
        let now = self.outside.clock.now();
        let Some(_claim) = self.claims.claim(key.id) else { return Ok(()) };
        // Since this row was read, a restore may have come to its end.
        let current = self.keys.key(&key.tenant, key.id).await?;
        let is_current = current.is_some_and(|current| current.revision == key.revision);
        if !is_current || !self.reaping.may_try(key.id, now) {
            return Ok(());
        }

        let deadline = now + DESTROY_TIMEOUT;
        let mut draft = Event::new(self.outside.clock.wall(), Operation::Destroy, Outcome::Ok).about(key);
        match self.ask_to_destroy(&mut draft, key, deadline).await {
            Ok(()) => {
                self.reaping.forget(key.id);
                self.destroyed(draft, key, deadline).await
            }
            Err(failure) => {
                tracing::warn!(tenant = %key.tenant, key_id = %key.id, %failure, "a key is not destroyed yet");
                if self.reaping.failed(key.id, now) {
                    let (reason, detail) = (Some("unavailable"), Some(failure.message));
                    let event = Event { outcome: Outcome::Failed, reason, detail, ..draft };
                    self.append(event, deadline).await?;
                }
                Ok(())
            }
        }
    }

    async fn destroyed(&self, draft: Event, key: &Key, deadline: Instant) -> Result<()> {
        let destroyed = key.destroyed(self.outside.clock.wall());
        if !self.keys.update(&key.tenant, std::slice::from_ref(&destroyed)).await? {
            return Err(Error::unavailable("the row changed while its key was destroyed"));
        }

        let destroyed = Key { revision: destroyed.revision + 1, ..destroyed };
        self.record_change(draft, Ok(()), Some(destroyed), deadline).await
    }

    /// Asks the key's provider; where that is gone, or says it did what custody did not see, the custodian itself.
    async fn ask_to_destroy(
        &self,
        draft: &mut Event,
        key: &Arc<Key>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if key.registered {
            draft.detail = Some("its object stays where it is, as the gateway did not make it".to_owned());
            return Ok(());
        }

        let unavailable = |error: Error| Failure::new(crate::FailureKind::Unavailable, error.detail());
        if self.custody.is_making(key.id) {
            return Err(Failure::new(
                crate::FailureKind::Unavailable,
                "the custodian is still making this key",
            ));
        }

        let was_asked_for = key.connection.is_some();
        match self.tenants().provider(&key.tenant, &key.provider) {
            Ok(versions) if was_asked_for => {
                let loaded = versions.serving();
                draft.component = Some(loaded.component.clone());
                self.announce(draft, loaded, deadline).await.map_err(unavailable)?;
                if self.provider_destroys(loaded, key, deadline).await {
                    return Ok(());
                }
            }
            Ok(_) | Err(_) => (),
        }

        self.custody.erase(key, deadline).await
    }

    /// Whether custody saw the key destroyed at its provider's request; where it sees only requests, whether the provider
    /// says so and the custodian answered that there is no such key.
    async fn provider_destroys(&self, loaded: &Loaded, key: &Arc<Key>, deadline: Instant) -> bool {
        let open = self.custody.open(policy::destroy(Arc::clone(key)), loaded, deadline);
        let call = Call { operation: open.id(), tenant: key.tenant.clone(), request_id: None, deadline };
        let answer = loaded.provider.destroy_key(call, key_ref(key)).await;
        let (seen, _) = open.close();
        let destroyed = seen.destroyed || (!self.custody.sees(key) && answer.is_ok() && seen.gone);
        if !destroyed {
            tracing::warn!(provider = %loaded.name, key_id = %key.id, ?answer, "the provider did not destroy a key");
        }

        destroyed
    }

    /// Writes the event that a crash, or a log that failed, left out.
    async fn recover(&self, key: &Key) -> Result<()> {
        let operation = if key.state == State::Released { Operation::Release } else { Operation::Destroy };
        let event = Event {
            recovered: true,
            ..Event::new(self.outside.clock.wall(), operation, Outcome::Ok).about(key)
        };
        let event = self.audit.append(event).await?;

        self.keys.update(&key.tenant, &[key.recorded(event)]).await.map(drop)
    }
}

/// The rounds that have not ended, and when to try again what failed.
#[derive(Debug, Default)]
pub(super) struct Reaping(Arc<Mutex<Rounds>>);

#[derive(Debug, Default)]
struct Rounds {
    tenants: HashSet<TenantId>,
    failures: HashMap<KeyId, (u32, Instant)>,
}

impl Reaping {
    /// Begins a round of `tenant`; `None` where the last one has not ended.
    fn begin(&self, tenant: &TenantId) -> Option<Round> {
        let begun = self.rounds().tenants.insert(tenant.clone());

        begun.then(|| Round { reaping: Self(Arc::clone(&self.0)), tenant: tenant.clone() })
    }

    fn may_try(&self, id: KeyId, now: Instant) -> bool {
        self.rounds().failures.get(&id).is_none_or(|(_, next)| now >= *next)
    }

    /// Notes a failure; answers whether it was this key's first.
    fn failed(&self, id: KeyId, now: Instant) -> bool {
        let mut rounds = self.rounds();
        let (failures, next) = rounds.failures.entry(id).or_insert((0, now));
        *failures += 1;
        *next = now + FIRST_PAUSE.saturating_mul(1 << (*failures).min(LONGEST_PAUSE_POWER));

        *failures == 1
    }

    fn forget(&self, id: KeyId) {
        self.rounds().failures.remove(&id);
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A round under way, until it is dropped.
struct Round {
    reaping: Reaping,
    tenant: TenantId,
}

impl Drop for Round {
    fn drop(&mut self) {
        self.reaping.rounds().tenants.remove(&self.tenant);
    }
}

/// How long the operation that changed a row may still be about to record it.
const SETTLED: Duration = Duration::from_secs(60);

/// How long one destruction may take.
const DESTROY_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause after a first failed destruction; it doubles up to 2^10 times as long, about an hour and a half.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE_POWER: u32 = 10;

/// How often a row that changes underneath is read again.
const ROW_ATTEMPTS: u32 = 5;
