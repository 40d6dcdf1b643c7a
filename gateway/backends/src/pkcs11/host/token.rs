//! The token that is served: what it is asked, done in one of its sessions.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cryptoki::session::{Session, SessionState};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};

use super::super::ckr::{Then, Trouble};
use super::super::mechanism::{Offers, ckm};
use super::super::wire::{Pkcs11Protocol, Reply, Request};
use super::destroy::destroy;
use super::ed25519ph::Trial;
use super::generate::{Making, Turn, Wanted, generate};
use super::locate::locate;
use super::login::Login;
use super::module::Module;
use super::objects::{Handles, Objects, find};
use super::public;
use super::sessions::Sessions;
use super::slots::Chosen;
use crate::worker::{Sent, Served, Service};

/// The token that is served.
#[derive(Debug)]
pub(super) struct Token {
    sessions: Sessions,
    objects: Objects,
    making: Making,
    offers: Offers,
    ed25519ph: Trial,
    /// Failures of unknown cause since the last success.
    strikes: AtomicU32,
    logged_in: bool,
    // No thread uses it, but a session is not to be shared, and the lock says so.
    _login: Mutex<Session>,
}

impl Token {
    pub(super) fn new(
        module: Module,
        chosen: &Chosen,
        login: Login,
        (most_sessions, read_write): (usize, bool),
    ) -> Result<Self, Trouble> {
        let offers = module.offers(chosen.slot)?;

        Ok(Self {
            sessions: Sessions::new(module, chosen.slot, most_sessions, read_write),
            objects: Objects::new(),
            making: Making::default(),
            offers,
            ed25519ph: Trial::default(),
            strikes: AtomicU32::new(0),
            logged_in: login.logged_in,
            _login: Mutex::new(login.session),
        })
    }

    fn reply(&self, request: Request, deadline: Instant) -> Result<Reply, Trouble> {
        match request {
            Request::Offers { key_type } => {
                self.offers.generates(key_type).map(|()| Reply::Done).map_err(plain)
            }
            Request::Generate { id, key_type, label } => {
                self.generate(Wanted { id: &id, key_type, label: &label, stays: true }, deadline)
            }
            Request::Find { id } => self.find(&id, deadline),
            Request::Locate(reference) => {
                let (id, half) =
                    self.sessions.with(deadline, |session| locate(session, &self.objects, &reference))?;
                Ok(Reply::Pair { id, spki: half.der().to_vec() })
            }
            Request::PublicKey { id } => self.public_key(&id, deadline),
            Request::Sign { id, key_type, mechanism, input } => {
                self.sign(&id, key_type, (mechanism, &input), deadline)
            }
            Request::Destroy { id } => {
                let _turn = self.turn(&id, deadline)?;
                destroy(&self.sessions, &self.objects, &id, deadline).map(|()| Reply::Done)
            }
            Request::Forget { id } => {
                self.objects.forget(&id);
                Ok(Reply::Done)
            }
            Request::Health => self.health(deadline),
        }
    }

    fn generate(&self, wanted: Wanted<'_>, deadline: Instant) -> Result<Reply, Trouble> {
        self.offers.generates(wanted.key_type).map_err(plain)?;
        let _turn = self.turn(wanted.id, deadline)?;

        let half =
            self.sessions.with(deadline, |session| generate(session, &self.objects, &self.making, wanted))?;
        Ok(Reply::Pair { id: wanted.id.to_vec(), spki: half.der().to_vec() })
    }

    /// Waits until nobody makes the pair of this CKA_ID: what is not there yet is not for that reason absent.
    fn turn<'a>(&'a self, id: &'a [u8], deadline: Instant) -> Result<Turn<'a>, Trouble> {
        let turn = self.making.turn(id, deadline);

        turn.ok_or_else(|| Trouble::new(FailureKind::Unavailable, "the same key is still being made"))
    }

    /// Whether there is anything with this CKA_ID: half a pair is something too.
    fn find(&self, id: &[u8], deadline: Instant) -> Result<Reply, Trouble> {
        let _turn = self.turn(id, deadline)?;
        let found = self.sessions.with(deadline, |session| {
            let halves = find(session, id)?;
            Ok(!halves.private.is_empty() || !halves.public.is_empty())
        })?;

        Ok(Reply::Found(found))
    }

    fn public_key(&self, id: &[u8], deadline: Instant) -> Result<Reply, Trouble> {
        let half = self.on(id, deadline, |session, handles| public::read(session, handles.public))?;

        Ok(Reply::Pair { id: id.to_vec(), spki: half.der().to_vec() })
    }

    fn sign(
        &self,
        id: &[u8],
        key_type: KeyType,
        (mechanism, input): (Mechanism, &[u8]),
        deadline: Instant,
    ) -> Result<Reply, Trouble> {
        self.offers.signs_with(key_type, mechanism).map_err(plain)?;
        if mechanism == Mechanism::Ed25519phOfMessage {
            self.ed25519ph.passed(&self.sessions, &self.making, deadline)?;
        }
        let ckm = ckm(mechanism).ok_or_else(|| {
            Trouble::new(FailureKind::Unsupported, format!("{mechanism} is not in PKCS#11"))
        })?;

        let signature = self.on(id, deadline, |session, handles| {
            of_type(handles, key_type)?;
            Ok(session.sign(&ckm, handles.private, input)?)
        })?;
        Ok(Reply::Signature(signature))
    }

    /// Does `work` on the pair with this CKA_ID. Handles are kept, and may be stale: then the pair is found again, once, and
    /// in another session, since a failure spoils the one it came from.
    fn on<T>(
        &self,
        id: &[u8],
        deadline: Instant,
        work: impl Fn(&Session, &Handles) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let attempt = || {
            self.sessions
                .with(deadline, |session| self.objects.once(session, id, |handles| work(session, handles)))
        };

        match attempt() {
            Err(Trouble { then: Then::FindAgain, .. }) => {
                self.objects.forget(id);
                attempt()
            }
            done => done,
        }
    }

    /// Whether the token answers, and the login still holds.
    fn health(&self, deadline: Instant) -> Result<Reply, Trouble> {
        let state =
            self.sessions.with(deadline, |session| Ok(session.get_session_info()?.session_state()))?;
        match state {
            SessionState::RoPublic | SessionState::RwPublic if self.logged_in => {
                let failure = Failure::new(FailureKind::Unavailable, "the login was lost");
                Err(Trouble { failure, then: Then::Restart })
            }
            SessionState::RoPublic
            | SessionState::RoUser
            | SessionState::RwPublic
            | SessionState::RwSecurityOfficer
            | SessionState::RwUser => Ok(Reply::Done),
        }
    }

    /// Whether this process should be replaced, after `outcome`.
    fn leave(&self, outcome: &Result<Reply, Trouble>) -> Option<Failure> {
        match outcome {
            Ok(_) => {
                self.strikes.store(0, Ordering::Relaxed);
                None
            }
            Err(Trouble { failure, then: Then::NeverAgain | Then::Restart }) => Some(failure.clone()),
            // A library that lost its appliance may say no more than CKR_GENERAL_ERROR, for ever.
            Err(Trouble { failure, .. }) if failure.kind == FailureKind::Unavailable && failure.code != 0 => {
                let strikes = self.strikes.fetch_add(1, Ordering::Relaxed);
                (strikes >= STRIKES).then(|| failure.clone())
            }
            Err(_) => None,
        }
    }
}

impl Service<Pkcs11Protocol> for Token {
    fn call(&self, request: Request, deadline: Instant) -> Served<Result<Reply, Sent>> {
        let outcome = self.reply(request, deadline);
        let leave = self.leave(&outcome);

        Served { answer: outcome.map_err(|trouble| Sent(passing(trouble.failure))), leave }
    }
}

fn of_type(handles: &Handles, key_type: KeyType) -> Result<(), Trouble> {
    if handles.key_type == key_type {
        return Ok(());
    }

    let message = format!("the key on the token is of type {}, not {key_type}", handles.key_type);
    Err(Trouble::new(FailureKind::InvalidArgument, message))
}

/// Says when a retry makes sense, for what passes.
fn passing(failure: Failure) -> Failure {
    let passes = matches!(failure.kind, FailureKind::Throttled | FailureKind::Unavailable);
    let retry_after = failure.retry_after.or_else(|| passes.then_some(SOON));

    Failure { retry_after, ..failure }
}

fn plain(failure: Failure) -> Trouble {
    Trouble { failure, then: Then::Nothing }
}

const SOON: Duration = Duration::from_secs(1);
const STRIKES: u32 = 10;
