//! One call of the component, in an operation of its own.

use std::time::Instant;

use keyport_core::import::Material;
use keyport_core::input::Input;
use keyport_core::key::{Handle, KeyName};
use keyport_core::provider::{CreateKey, Created, ImportKey, KeyRef, Loaded, Sign};
use keyport_core::scheme::{KeyType, Scheme};
use keyport_core::trial::{OpenTrial, Saw, Trial, TrialKey};
use keyport_core::{Failure, FailureKind, Result};

use super::subject::{Kit, Made, ordinary, public_half};
use super::verdict::{Broken, ensure, succeeds};

/// How a component is asked: which loading of it, for whose keys, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) kit: &'a Kit,
    pub(super) loaded: &'a Loaded,
    pub(super) trial: &'a Trial,
    pub(super) deadline: Instant,
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct Tried<T> {
    /// What the component answered.
    pub(super) answer: Result<T, Failure>,
    /// What custody saw meanwhile.
    pub(super) saw: Saw,
    /// Whether an instance trapped meanwhile.
    pub(super) trapped: bool,
}

impl<'a> Ask<'a> {
    /// Asks this loading of the component.
    pub(super) fn of(self, loaded: &'a Loaded) -> Self {
        Self { loaded, ..self }
    }

    /// Asks for keys of this trial.
    pub(super) fn on(self, trial: &'a Trial) -> Self {
        Self { trial, ..self }
    }

    /// Asks until then.
    pub(super) fn until(self, deadline: Instant) -> Self {
        Self { deadline, ..self }
    }

    /// Has a new key made, and reads what the component says of it.
    pub(super) async fn make(self, key_type: KeyType) -> Result<Made, Broken> {
        let key = self.trial.plan(self.loaded, key_type).await?;

        self.create(&key).await?.made(key)
    }

    pub(super) async fn create(self, key: &TrialKey) -> Result<Tried<Created>, Broken> {
        self.create_as(key, wanted(key)?).await
    }

    /// The same with a request of the case's own.
    pub(super) async fn create_as(
        self,
        key: &TrialKey,
        request: CreateKey,
    ) -> Result<Tried<Created>, Broken> {
        let open = self.trial.create(self.loaded, key, self.deadline).await?;
        let answer = self.loaded.provider.create_key(open.call(), request);

        self.tried(open, answer).await
    }

    pub(super) async fn import(self, key: &TrialKey, material: Material) -> Result<Tried<Created>, Broken> {
        let (open, reference) = self.trial.import(self.loaded, key, material, self.deadline).await?;
        let request = ImportKey { key: wanted(key)?, reference };
        let answer = self.loaded.provider.import_key(open.call(), request);

        self.tried(open, answer).await
    }

    /// Asks for a signature with `key`, whatever the component is `told` of it.
    pub(super) async fn sign(
        self,
        key: &TrialKey,
        told: KeyRef,
        (scheme, input): (Scheme, &Input),
    ) -> Result<Tried<Vec<u8>>, Broken> {
        let request = Sign { key: told, scheme, input: self.handed(scheme, input)? };

        self.sign_as(key, (scheme, input), request).await
    }

    /// The same where the component is told of another scheme or input than was allowed.
    pub(super) async fn sign_as(
        self,
        key: &TrialKey,
        (scheme, input): (Scheme, &Input),
        request: Sign,
    ) -> Result<Tried<Vec<u8>>, Broken> {
        let open = self.trial.sign(self.loaded, key, (scheme, input.clone()), self.deadline).await?;
        let answer = self.loaded.provider.sign(open.call(), request);

        self.tried(open, answer).await
    }

    /// Asks for the public half, in an operation that allows that it is read. Skips where the custodian does not tell it
    /// again.
    pub(super) async fn public_key(self, key: &TrialKey, told: KeyRef) -> Result<Tried<Vec<u8>>, Broken> {
        let read = self.public_key_if_told(key, told).await?;

        read.ok_or_else(|| Broken::skipped("its custodian tells a public half once, when the key is made"))
    }

    /// The same for a case that has more to try: `None` where the custodian does not tell it again.
    pub(super) async fn public_key_if_told(
        self,
        key: &TrialKey,
        told: KeyRef,
    ) -> Result<Option<Tried<Vec<u8>>>, Broken> {
        let scheme = self.kit.scheme(key.key_type())?;
        let what = (scheme, ordinary(0));
        let open = self.trial.sign(self.loaded, key, what, self.deadline).await?;
        let answer = self.loaded.provider.public_key(open.call(), told);
        let tried = self.tried(open, answer).await?;

        Ok(Some(tried).filter(|tried| !tried.is_beyond_its_custodian(self.kit)))
    }

    /// An input as the component is handed it.
    pub(super) fn handed(self, scheme: Scheme, input: &Input) -> Result<Input, Broken> {
        Ok(self.loaded.descriptor.handed(scheme, input.clone())?)
    }

    pub(super) async fn destroy(self, key: &TrialKey, told: KeyRef) -> Result<Tried<()>, Broken> {
        let open = self.trial.destroy(self.loaded, key, self.deadline).await?;
        let answer = self.loaded.provider.destroy_key(open.call(), told);

        self.tried(open, answer).await
    }

    pub(super) async fn health(self) -> Result<Tried<()>, Broken> {
        let open = self.trial.probe(self.loaded, self.deadline);
        let answer = self.loaded.provider.health(open.call());

        self.tried(open, answer).await
    }

    async fn tried<T>(
        self,
        open: OpenTrial,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Tried<T>, Broken> {
        let before = self.kit.stage.stats(self.loaded)?.traps;
        let answer = answer.await;
        let trapped = self.kit.stage.stats(self.loaded)?.traps > before;

        Ok(Tried { answer, saw: open.close(), trapped })
    }
}

impl Tried<Created> {
    /// What the component says it made, read.
    pub(super) fn made(self, key: TrialKey) -> Result<Made, Broken> {
        let created = succeeds(self.answer, "a key")?;
        let public = public_half(&created.public_key, key.key_type())?;
        let handle = created.handle.map(|bytes| handle(&bytes)).transpose()?;

        Ok(Made { key, handle, public })
    }
}

impl<T> Tried<T> {
    /// Whether the component said by itself, and asked nobody, that its custodian has no word for this. Only one that words
    /// requests can know.
    pub(super) fn is_beyond_its_custodian(&self, kit: &Kit) -> bool {
        let unsupported = matches!(&self.answer, Err(failure) if failure.kind == FailureKind::Unsupported);

        unsupported && self.saw.attempts == 0 && !kit.stage.is_seen
    }

    /// Whether custody saw the custodian itself say that it lacks what it was asked for, and the component passed that on.
    pub(super) fn is_lacking(&self) -> bool {
        self.is_refused(FailureKind::Unsupported)
    }

    /// Whether custody saw the custodian itself refuse in this way, and the component passed that on.
    pub(super) fn is_refused(&self, kind: FailureKind) -> bool {
        let is_so = |failure: &Failure| failure.kind == kind;

        self.answer.as_ref().err().is_some_and(is_so) && self.saw.failure.as_ref().is_some_and(is_so)
    }

    /// Fails if an instance trapped.
    pub(super) fn without_trap(self, expected: &str) -> Result<Self, Broken> {
        ensure(!self.trapped, expected, || "a trap".to_owned())?;

        Ok(self)
    }
}

/// A handle, if it is short enough to be one.
pub(super) fn handle(bytes: &[u8]) -> Result<Handle, Broken> {
    Handle::new(bytes).ok_or_else(|| {
        Broken::failed(format!("a handle of at most {} bytes", Handle::MAX), format!("{} bytes", bytes.len()))
    })
}

/// An ordinary request for a key.
pub(super) fn wanted(key: &TrialKey) -> Result<CreateKey, Broken> {
    Ok(CreateKey {
        id: key.id(),
        name: KeyName::new("name", "a key on trial")?,
        key_type: key.key_type(),
        labels: Vec::new(),
    })
}
