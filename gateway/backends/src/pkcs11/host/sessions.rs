//! Sessions, kept open: opening one costs a round trip to the token, and tokens have few.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::session::Session;
use cryptoki::slot::Slot;
use keyport_core::FailureKind;

use super::super::ckr::{Then, Trouble};
use super::module::Module;

/// Sessions of one token, each used by one call at a time.
#[derive(Debug)]
pub(super) struct Sessions {
    module: Module,
    slot: Slot,
    read_write: bool,
    most: usize,
    pool: Mutex<Pool>,
    freed: Condvar,
    /// Held while a session is opened: near its limit, tpm2-pkcs11 forgets logins where two are opened at once.
    opening: Mutex<()>,
}

#[derive(Debug)]
struct Pool {
    idle: Vec<Session>,
    open: usize,
    /// Since when the token has as many sessions as it can have.
    full: Option<Instant>,
}

impl Sessions {
    /// At most so many sessions, opened when they are needed.
    pub(super) fn new(module: Module, slot: Slot, most: usize, read_write: bool) -> Self {
        let pool = Mutex::new(Pool { idle: Vec::new(), open: 0, full: None });

        Self { module, slot, read_write, most, pool, freed: Condvar::new(), opening: Mutex::new(()) }
    }

    /// Does `work` in a session, waiting for one until `deadline`. After a failure the session is closed: an operation may
    /// be active in it for ever.
    pub(super) fn with<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Session) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let session = self.take(deadline)?;
        let place = Place::of(self);
        let done = work(&session);

        match &done {
            Ok(_) => place.keep(session),
            // Before its place is free: otherwise another might be opened where the token allows no more.
            Err(_) => drop(session),
        }
        done
    }

    fn take(&self, deadline: Instant) -> Result<Session, Trouble> {
        let mut pool = self.pool();
        loop {
            if let Some(session) = pool.idle.pop() {
                return Ok(session);
            }
            let now = now();
            if pool.open < self.most && pool.full.is_none_or(|full| now >= full + PATIENCE) {
                pool.open += 1;
                drop(pool);
                match self.open() {
                    Err(Trouble { then: Then::Wait, .. }) => pool = self.full(),
                    opened => return opened,
                }
            } else if now >= deadline {
                return Err(Trouble::new(FailureKind::Throttled, "no session of the token was free in time"));
            } else {
                let patience = deadline.saturating_duration_since(now).min(PATIENCE);
                pool = self.freed.wait_timeout(pool, patience).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn open(&self) -> Result<Session, Trouble> {
        let place = Place::of(self);
        let _turn = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let session = if self.read_write {
            self.module.0.open_rw_session(self.slot)?
        } else {
            self.module.0.open_ro_session(self.slot)?
        };

        place.stay();
        Ok(session)
    }

    fn full(&self) -> MutexGuard<'_, Pool> {
        let mut pool = self.pool();
        pool.full = Some(now());

        pool
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One session's place in the pool; unless it stays taken, it is free again when this is dropped.
struct Place<'a> {
    sessions: &'a Sessions,
    stays: bool,
}

impl<'a> Place<'a> {
    fn of(sessions: &'a Sessions) -> Self {
        Self { sessions, stays: false }
    }

    /// Puts the session back.
    fn keep(mut self, session: Session) {
        self.stays = true;
        self.sessions.pool().idle.push(session);
        self.sessions.freed.notify_one();
    }

    /// The session is in use.
    fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.stays {
            self.sessions.pool().open -= 1;
            self.sessions.freed.notify_one();
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How long a token that had no session to give is left alone.
const PATIENCE: Duration = Duration::from_millis(200);
