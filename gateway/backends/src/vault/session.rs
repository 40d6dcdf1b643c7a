//! The gateway's login at the server: one at a time, renewed ahead of its end, and made anew where that is not possible.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use keyport_core::{Failure, FailureKind};
use reqwest::Client;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard, watch};

use super::connection::Login;
use super::lease::Lease;
use super::login::{Given, Proof};
use super::server::{Ask, Server};
use super::status;
use crate::cloud::{Call, Gate, Setback};
use crate::http::exchange::Whole;

/// Who the gateway is at the server.
#[derive(Debug)]
pub(super) struct Session {
    server: Arc<Server>,
    /// Sends what needs no client of its own.
    client: Client,
    gate: Arc<Gate>,
    login: Arc<Login>,
    engine: Engine,
    current: watch::Sender<Option<Arc<Entry>>>,
    /// Whose turn it is to log in, and how the last one failed who tried.
    turn: Mutex<Option<Setback>>,
}

/// Which engine is logged in for.
#[derive(Debug)]
pub(super) struct Engine {
    /// Where it is in its cluster: namespace and mount.
    pub(super) place: String,
    /// What it must be, once that is settled.
    pub(super) bound: OnceLock<String>,
}

/// A login.
#[derive(Debug)]
pub(super) struct Entry {
    client: Client,
    token: HeaderValue,
    /// `None` where it does not end.
    lease: Option<Lease>,
}

impl Session {
    /// Logs in soon, and keeps the login from ending.
    pub(super) fn begin(
        (server, client): (Arc<Server>, Client),
        gate: Arc<Gate>,
        login: Arc<Login>,
        engine: Engine,
    ) -> Arc<Self> {
        let (current, changes) = watch::channel(None);
        let runtime = server.runtime.clone();
        let session = Arc::new(Self { server, client, gate, login, engine, current, turn: Mutex::default() });

        runtime.spawn(keep(Arc::downgrade(&session), changes));
        session
    }

    /// What tells the engine from every other. Whoever logs in at no certain one yet logs in at this one from now on.
    pub(super) async fn identity(&self, deadline: Instant) -> Result<String, Failure> {
        let found = self.found(deadline).await?;
        self.engine.bound.get_or_init(|| found.clone());

        Ok(found)
    }

    /// Which engine is there: its cluster's id, which stays when addresses change, with namespace and mount.
    async fn found(&self, deadline: Instant) -> Result<String, Failure> {
        let ask = Ask::read("sys/health?standbyok=true&perfstandbyok=true".to_owned());
        let answer = self.ask(Call::read(deadline), &ask, (&self.client, None)).await?;
        let Cluster { cluster_id } = serde_json::from_slice(&answer.body).map_err(|_bad| {
            Failure::new(FailureKind::Internal, "the server does not say which cluster it is")
        })?;

        Ok(format!("vault {cluster_id} {}", self.engine.place))
    }

    /// The login; a new one where there is none.
    pub(super) async fn entry(&self, deadline: Instant) -> Result<Arc<Entry>, Failure> {
        if let Some(entry) = self.valid() {
            return Ok(entry);
        }

        let mut turn = self.turn(deadline).await?;
        match self.valid() {
            Some(entry) => Ok(entry),
            None => self.log_in(&mut turn, deadline).await,
        }
    }

    /// Sends a request for a login.
    pub(super) async fn send(&self, call: Call, ask: &Ask, entry: &Entry) -> Result<Whole, Failure> {
        self.ask(call, ask, (&entry.client, Some(&entry.token))).await
    }

    /// Another login where the server refused something to `entry`, and that is because the login is not valid any more.
    /// Otherwise the refusal: then a policy does not allow it.
    pub(super) async fn instead_of(
        &self,
        entry: &Arc<Entry>,
        (ask, refused): (&Ask, &Failure),
        deadline: Instant,
    ) -> Result<Arc<Entry>, Failure> {
        let mut turn = self.turn(deadline).await?;
        if let Some(other) = self.valid().filter(|other| !Arc::ptr_eq(other, entry)) {
            return Ok(other);
        }

        match self.look_up(&entry.client, &entry.token, deadline).await {
            Ok(_valid) => Err(ask.denied(refused)),
            Err(failure) if failure.kind == FailureKind::Credentials => {
                self.current.send_replace(None);
                self.log_in(&mut turn, deadline).await
            }
            Err(failure) => Err(failure),
        }
    }

    fn valid(&self) -> Option<Arc<Entry>> {
        let now = now();
        let is_valid = |entry: &Arc<Entry>| entry.lease.is_none_or(|lease| now < lease.until);

        self.current.borrow().clone().filter(is_valid)
    }

    async fn turn(&self, deadline: Instant) -> Result<MutexGuard<'_, Option<Setback>>, Failure> {
        let turn = tokio::time::timeout_at(deadline.into(), self.turn.lock()).await;

        turn.map_err(|_late| Failure::new(FailureKind::Unavailable, "the login at the server takes too long"))
    }

    /// Logs in, unless that was refused a moment ago.
    async fn log_in(&self, turn: &mut Option<Setback>, deadline: Instant) -> Result<Arc<Entry>, Failure> {
        if let Some(failure) = turn.as_ref().and_then(Setback::lasts) {
            return Err(failure);
        }

        match self.prove(deadline).await {
            Ok(entry) => {
                *turn = None;
                let entry = Arc::new(entry);
                self.current.send_replace(Some(Arc::clone(&entry)));
                Ok(entry)
            }
            Err(failure) => {
                if failure.kind == FailureKind::Credentials {
                    *turn = Some(Setback::after(turn.take(), &failure));
                }
                Err(failure)
            }
        }
    }

    async fn prove(&self, deadline: Instant) -> Result<Entry, Failure> {
        self.check_identity(deadline).await?;
        let (server, login) = (Arc::clone(&self.server), Arc::clone(&self.login));
        let read = self.server.runtime.spawn_blocking(move || login.proof(&server)).await;
        let proof = read.map_err(|broken| Failure::new(FailureKind::Internal, broken.to_string()))?;

        match proof.map_err(|error| Failure::new(FailureKind::Credentials, told(&error)))? {
            Proof::Token(token) => {
                let Known { ttl, renewable } = self.look_up(&self.client, &token, deadline).await?;
                let lease = Lease::new(Duration::from_secs(ttl), renewable, None);
                Ok(Entry { client: self.client.clone(), token, lease })
            }
            Proof::Login { ask, client } => {
                let client = client.unwrap_or_else(|| self.client.clone());
                let answer =
                    self.ask(Call::read(deadline), &ask, (&client, None)).await.map_err(not_let_in)?;
                let Given { token, time, is_renewable } = Given::from_answer(answer.body)?;
                Ok(Entry { client, token, lease: Lease::new(time, is_renewable, None) })
            }
        }
    }

    /// Refuses to log in at another engine than the one that has the keys.
    async fn check_identity(&self, deadline: Instant) -> Result<(), Failure> {
        let Some(bound) = self.engine.bound.get() else { return Ok(()) };
        let found = self.found(deadline).await?;
        if found == *bound {
            return Ok(());
        }

        let message = format!(
            "the engine is {found}, and this connection's keys are in {bound}; mend `address`, `namespace` and `mount`, or, \
             where this one has every key, start with --rebind and the connection's name"
        );
        Err(Failure::new(FailureKind::OperatorNeeded, message))
    }

    /// What the server knows of a token.
    async fn look_up(
        &self,
        client: &Client,
        token: &HeaderValue,
        deadline: Instant,
    ) -> Result<Known, Failure> {
        let ask = Ask::read("auth/token/lookup-self".to_owned());
        let answer = self.ask(Call::read(deadline), &ask, (client, Some(token))).await;
        let answer = answer.map_err(|failure| match failure.kind == FailureKind::Denied {
            true => Failure { kind: FailureKind::Credentials, message: NOT_VALID.to_owned(), ..failure },
            false => failure,
        })?;

        let Looked { data } = serde_json::from_slice(&answer.body).map_err(|_bad| {
            Failure::new(FailureKind::Internal, "the server describes the token in other words")
        })?;
        Ok(data)
    }

    /// Renews a login. Where that ends, or is not possible, there is a new one, if possible.
    async fn renew(&self, entry: &Entry, lease: Lease) -> Result<(), Failure> {
        let deadline = now() + PATIENCE;
        let mut turn = self.turn(deadline).await?;
        if lease.is_renewable && self.is_renewed(entry, lease, deadline).await {
            return Ok(());
        }

        let entry = self.log_in(&mut turn, deadline).await?;
        if let Some(lease) =
            entry.lease.filter(|_| matches!(*self.login, Login::Token(_) | Login::TokenFile(_)))
        {
            let left = lease.until.saturating_duration_since(now()).as_secs();
            tracing::warn!(
                "the token ends in {left} s and cannot be renewed for longer: put another in its place"
            );
        }
        Ok(())
    }

    /// Renews a login; whether that is good for long.
    async fn is_renewed(&self, entry: &Entry, lease: Lease, deadline: Instant) -> bool {
        let ask = Ask::update("auth/token/renew-self".to_owned(), &json!({}));
        let answer = self.send(Call::read(deadline), &ask, entry).await;
        let given = answer.and_then(|answer| Given::from_answer(answer.body));
        let Given { token, time, is_renewable } = match given {
            Ok(given) => given,
            Err(failure) => {
                tracing::warn!(%failure, "the login was not renewed");
                return false;
            }
        };

        let lease = Lease::new(time, is_renewable, Some(lease.whole));
        let renewed = Entry { client: entry.client.clone(), token, lease };
        self.current.send_replace(Some(Arc::new(renewed)));
        !lease.is_some_and(|lease| lease.is_ending())
    }

    async fn ask(
        &self,
        call: Call,
        ask: &Ask,
        (client, token): (&Client, Option<&HeaderValue>),
    ) -> Result<Whole, Failure> {
        let once = || async {
            let answer = self.server.send(client, ask, token).await?;
            if (200..300).contains(&answer.status) {
                Ok(answer)
            } else {
                Err(status::failure(&ask.what(), &answer))
            }
        };

        self.gate.call(call, once).await
    }
}

/// Keeps the login from ending, as long as there is the session.
async fn keep(session: Weak<Session>, mut changes: watch::Receiver<Option<Arc<Entry>>>) {
    if let Some(session) = session.upgrade()
        && let Err(failure) = session.entry(now() + PATIENCE).await
    {
        tracing::warn!(%failure, "the gateway could not log in, and tries again when it is needed");
    }

    let mut later = None;
    loop {
        let entry = changes.borrow_and_update().clone();
        let lease = entry.as_ref().and_then(|entry| Some((entry, entry.lease?)));
        let due = async {
            match lease {
                Some((_, lease)) => tokio::time::sleep_until(later.unwrap_or(lease.due).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => match changed {
                Ok(()) => later = None,
                Err(_gone) => return,
            },
            () = due => {
                let (Some(session), Some((entry, lease))) = (session.upgrade(), lease) else { return };
                if let Err(failure) = session.renew(entry, lease).await {
                    tracing::warn!(%failure, "the gateway could not log in again, and goes on with the old login");
                    later = Some(now() + AGAIN);
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Cluster {
    cluster_id: String,
}

#[derive(Deserialize)]
struct Looked {
    data: Known,
}

#[derive(Deserialize)]
struct Known {
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

/// A refusal of what was shown is one of credentials, whatever the method calls it.
fn not_let_in(failure: Failure) -> Failure {
    let is_refusal =
        [FailureKind::Denied, FailureKind::InvalidArgument, FailureKind::NotFound].contains(&failure.kind);
    if !is_refusal && failure.kind != FailureKind::Credentials {
        return failure;
    }

    // It tells strangers no more than that, wherever there is nothing.
    let is_denied = failure.kind == FailureKind::Denied;
    let perhaps = if is_denied { " (is a method enabled there, and has it such a role?)" } else { "" };
    let message = format!("the server does not let the gateway in{perhaps}: {}", failure.message);
    Failure { kind: FailureKind::Credentials, message, ..failure }
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }

    text
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

const NOT_VALID: &str = "the token is not valid: it ended, was revoked, is of another namespace, or has no policy that gives read on \
                         `auth/token/lookup-self`, as the policy `default` does";
/// How long a login may take that nobody waits for.
const PATIENCE: Duration = Duration::from_secs(20);
/// When it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
