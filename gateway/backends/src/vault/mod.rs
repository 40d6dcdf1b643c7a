//! The transit engine of HashiCorp Vault and of OpenBao, by REST.
//!
//! A key is called `PREFIX-KEYID` there, and nothing else tells whose it is: the engine has no place for tenants and names. Its
//! versions are numbered, and each signature names the version that the gateway knows, so that somebody who rotates a key
//! changes nothing.

mod connection;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod key;
mod lease;
mod login;
mod server;
mod session;
mod sign;
mod status;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::public_key::PublicKey;
use keyport_core::room::{Place, Room};
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use crate::cloud::{Call, Class, Doubts, Gate, Patience, Publics, Retry, not_own};
use crate::http::exchange::Whole;
pub use connection::{Connection, Login, OpenError, is_name, is_path};
use key::{Described, Reference, Version, type_name};
use server::{Ask, Server};
use session::{Engine, Session};

/// A transit engine.
#[derive(Debug)]
pub struct Vault {
    session: Arc<Session>,
    mount: String,
    create_mount: bool,
    prefix: String,
    verify: bool,
    publics: Publics,
    doubts: Doubts,
    room: Room,
}

impl Vault {
    /// Prepares the connection, and begins to log in. A server that is away, or sealed, may come later; what is wrong here is
    /// refused. To be called on the runtime where exchanges shall run.
    ///
    /// Reads files.
    pub fn open(connection: Connection) -> Result<Self, OpenError> {
        let way = prepared(&connection)?;
        let Connection { namespace, mount, identity, .. } = &connection;
        let within = namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let engine = Engine {
            place: format!("{within}{mount}"),
            bound: identity.clone().map_or_else(OnceLock::new, OnceLock::from),
        };
        let gate = Arc::new(Gate::new(connection.rates));

        Ok(Self {
            session: Session::begin(way, gate, Arc::new(connection.login), engine),
            mount: connection.mount,
            create_mount: connection.create_mount,
            prefix: connection.prefix,
            verify: connection.verify,
            publics: Publics::new(),
            doubts: Doubts::new(now(), connection.doubt, connection.first),
            room: Room::new(connection.in_flight.get()),
        })
    }

    /// Whether the connection could be opened. Nothing is sent.
    ///
    /// Reads files.
    pub fn check(connection: &Connection) -> Result<(), OpenError> {
        prepared(connection).map(drop)
    }

    /// Makes a call in the gateway's name. A login that is not valid any more is made anew, once.
    async fn call(&self, call: Call, ask: &Ask) -> Result<Whole, Failure> {
        let _place = self.place(call).await?;
        let entry = self.session.entry(call.deadline).await?;
        let refused = match self.session.send(call, ask, &entry).await {
            Err(failure) if failure.kind == FailureKind::Denied => failure,
            outcome => return outcome,
        };

        let entry = self.session.instead_of(&entry, (ask, &refused), call.deadline).await?;
        self.session.send(call, ask, &entry).await
    }

    /// Room among the requests that are on their way.
    async fn place(&self, call: Call) -> Result<Place, Failure> {
        let place = self.room.place(call.class == Class::Manage);
        let place = tokio::time::timeout_at(call.deadline.into(), place).await;

        place.ok().flatten().ok_or_else(|| {
            Failure::new(FailureKind::Throttled, "too many requests are on their way to the server")
        })
    }

    /// A key with all of its versions, if it is there.
    async fn describe(&self, name: &str, deadline: Instant) -> Result<Option<Described>, Failure> {
        let ask = Ask::read(format!("{}/keys/{name}", self.mount));

        match self.call(Call::read(deadline), &ask).await {
            Ok(answer) => described(&answer).map(Some),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The key of this name, which is made if it is not there: the engine leaves one that is as it is. Mounts the engine if
    /// that is wanted.
    async fn made(&self, name: &str, kind: &str, deadline: Instant) -> Result<Described, Failure> {
        let body =
            json!({ "type": kind, "derived": false, "exportable": false, "allow_plaintext_backup": false });
        let ask = Ask::update(format!("{}/keys/{name}", self.mount), &body);
        let call = Call::manage(Retry::Safe, deadline);

        let answer = match self.call(call, &ask).await {
            Err(failure) if self.create_mount && status::is_unmounted(&failure) => {
                self.mount(deadline).await?;
                let made = || self.call(call, &ask);
                until_it_is_there(made, status::is_unmounted, deadline).await?
            }
            outcome => outcome?,
        };
        if !answer.body.is_empty() {
            return described(&answer);
        }

        // Servers of before 2023 do not describe what they made, and a node that copies another may be behind it.
        let found = || async { self.describe(name, deadline).await?.ok_or_else(|| not_there(name)) };
        until_it_is_there(found, |failure| failure.kind == FailureKind::NotFound, deadline).await
    }

    async fn mount(&self, deadline: Instant) -> Result<(), Failure> {
        let body = json!({ "type": "transit", "description": "Keys of Keyport" });
        let ask = Ask::update(format!("sys/mounts/{}", self.mount), &body);

        match self.call(Call::manage(Retry::Safe, deadline), &ask).await {
            Ok(_) => tracing::info!(mount = self.mount, "mounted a transit engine"),
            Err(failure) if failure.kind == FailureKind::Exists => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// What the key that is made for this key-id is called.
    fn own(&self, key_id: KeyId) -> Version {
        Version { name: format!("{}-{key_id}", self.prefix), number: 1 }
    }

    /// The version that an object is. One whose native id was never recorded has the name that it would be made with.
    fn version(&self, object: &Object) -> Result<Version, Failure> {
        if object.native_id.as_str() == object.key_id.to_string() {
            return Ok(self.own(object.key_id));
        }

        Version::of_native_id(&object.native_id, &self.mount).ok_or_else(|| {
            let message =
                format!("`{}` is no key of the engine at `{}`", object.native_id.as_str(), self.mount);
            Failure::new(FailureKind::NotFound, message)
        })
    }

    fn known(&self, version: &Version, public: PublicKey) -> Generated {
        let native_id = version.native_id(&self.mount);
        self.publics.put(native_id.clone(), public.clone());

        Generated { native_id, public }
    }
}

#[async_trait]
impl Backend for Vault {
    fn acts_outside(&self) -> bool {
        true
    }

    fn code_name(&self, code: u32) -> Option<&'static str> {
        status::name_of(code)
    }

    fn is_verified(&self) -> bool {
        self.verify
    }

    async fn offers(&self, key_type: KeyType, _deadline: Instant) -> Option<Result<(), Failure>> {
        Some(type_name(key_type).map(drop).ok_or_else(|| not_offered(key_type)))
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        let kind = type_name(request.key_type).ok_or_else(|| not_offered(request.key_type))?;
        let version = self.own(request.key_id);

        let raised = self.doubts.raise(request.key_id, now());
        let made = self.made(&version.name, kind, deadline).await;
        self.doubts.note(&raised, &made, now());
        let described = made?;
        if described.kind != kind || described.derived || described.exportable {
            let message = format!("{} is there already, and is another kind of key", version.name);
            return Err(Failure::new(FailureKind::Exists, message));
        }
        Ok(self.known(&version, described.public(&version)?))
    }

    async fn find(
        &self,
        _tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        let version = self.own(key_id);

        match self.describe(&version.name, deadline).await {
            Ok(Some(_)) => return Ok(Some(version.native_id(&self.mount))),
            Ok(None) => {}
            // It comes with the first key.
            Err(failure) if self.create_mount && status::is_unmounted(&failure) => {}
            Err(failure) => return Err(failure),
        }
        self.doubts.check(key_id, now()).map(|()| None)
    }

    async fn locate(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        let Reference { name, version } = Reference::read(reference, &self.mount)?;
        let described = self.describe(&name, deadline).await?.ok_or_else(|| not_there(&name))?;
        if described.key_type().is_none() || described.derived {
            let derived = if described.derived { "derived " } else { "" };
            let message =
                format!("{name} is a {derived}{}, which the gateway does not sign with", described.kind);
            return Err(Failure::new(FailureKind::Unsupported, message));
        }

        let version = Version { name, number: version.unwrap_or(described.latest_version) };
        Ok(self.known(&version, described.public(&version)?))
    }

    async fn identity(&self, deadline: Instant) -> Result<Option<String>, Failure> {
        self.session.identity(deadline).await.map(Some)
    }

    /// The same name in the engine's own place.
    fn counterpart(&self, native_id: &NativeId) -> NativeId {
        match native_id.as_str().rsplit_once('/') {
            Some((_, name)) => NativeId::new(format!("{}/{name}", self.mount)),
            None => native_id.clone(),
        }
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        let version = self.version(object)?;
        if let Some(public) = self.publics.get(&version.native_id(&self.mount)) {
            return Ok(public);
        }

        let described =
            self.describe(&version.name, deadline).await?.ok_or_else(|| not_there(&version.name))?;
        Ok(self.known(&version, described.public(&version)?).public)
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        let Ok(version) = self.version(object) else { return Ok(KeyState::Gone) };
        match self.describe(&version.name, deadline).await? {
            Some(described) => Ok(described.standing(&version)),
            None => self.doubts.check_gone(object, now()).map(|()| KeyState::Gone),
        }
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let version = self.version(object)?;
        let body = sign::request(&version, object.key_type, mechanism, input)?;
        let ask = Ask::update(format!("{}/sign/{}", self.mount, version.name), &body);

        let answer = self.call(Call::sign(deadline), &ask).await?;
        sign::signature(&version, &answer.body)
    }

    async fn forget(&self, object: &Object) {
        if let Ok(version) = self.version(object) {
            self.publics.forget(&version.native_id(&self.mount));
        }
    }

    /// Deletes the key with all of its versions, at once: there is nothing to take back. That the engine is not there is no
    /// success, since an engine can come back with its keys (a restored snapshot, a mended configuration).
    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        let version = self.version(object)?;
        if version != self.own(object.key_id) {
            return Err(not_own(&version.name));
        }
        self.forget(object).await;

        let (path, call) =
            (format!("{}/keys/{}", self.mount, version.name), Call::manage(Retry::Safe, deadline));
        let allow = Ask::update(format!("{path}/config"), &json!({ "deletion_allowed": true }));
        for ask in [allow, Ask::delete(path)] {
            match self.call(call, &ask).await {
                Ok(_) => {}
                Err(failure) if failure.kind == FailureKind::NotFound => {
                    return self.doubts.check_gone(object, now());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Asks for a signature by a key that nobody has: login, policy, mount and seal are what they are for other keys.
    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        let nobody = Version { name: format!("{}-nobody", self.prefix), number: 1 };
        let body = sign::request(&nobody, KeyType::EcP256, Mechanism::Ecdsa, &[0; 32])?;
        let ask = Ask::update(format!("{}/sign/{}", self.mount, nobody.name), &body);

        match self.call(Call::read(deadline), &ask).await {
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            Err(failure) if self.create_mount && status::is_unmounted(&failure) => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

/// The server and a client of it, after everything that a login needs was read.
fn prepared(connection: &Connection) -> Result<(Arc<Server>, Client), OpenError> {
    connection.check()?;
    let server = Arc::new(Server::new(connection)?);
    let client = server.client(None)?;

    connection.login.proof(&server)?;
    Ok((server, client))
}

#[derive(Deserialize)]
struct Answered {
    data: Described,
}

fn described(answer: &Whole) -> Result<Described, Failure> {
    serde_json::from_slice(&answer.body).map(|Answered { data }| data).map_err(|_bad| unclear("a key"))
}

/// Tries again what `is_early` for, until it works or the deadline comes.
async fn until_it_is_there<T, F>(
    mut attempt: impl FnMut() -> F,
    is_early: impl Fn(&Failure) -> bool,
    deadline: Instant,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut patience = Patience::until(deadline);
    loop {
        match attempt().await {
            Err(failure) if is_early(&failure) => patience.wait(failure).await?,
            outcome => return outcome,
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn not_offered(key_type: KeyType) -> Failure {
    Failure::new(FailureKind::Unsupported, format!("transit has no keys of type {key_type}"))
}

fn not_there(name: &str) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no key {name}"))
}

fn unclear(what: &str) -> Failure {
    Failure::new(FailureKind::Internal, format!("the server describes {what} in other words"))
}
