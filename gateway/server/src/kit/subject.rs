//! What the cases share: the component on its stage, and keys that it made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use keyport_core::input::{Digest, Input};
use keyport_core::key::Handle;
use keyport_core::provider::{KeyRef, Loaded};
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, Hash, KeyType, Scheme};
use keyport_core::signature::Signature;
use keyport_core::trial::{Trial, TrialKey};
use keyport_core::{Failure, FailureKind, Gateway};

use super::ask::{Ask, Tried};
use super::custodian::Conduct;
use super::verdict::{Broken, Verdict, ensure, succeeds};
use crate::assemble::stage::{Manner, Stage};

/// A component that is tried.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(super) stage: Stage,
    /// The component, in a fresh instance for each call.
    pub(super) loaded: Loaded,
    /// For keys of one tenant.
    pub(super) trial: Trial,
    /// For keys of another.
    pub(super) other: Trial,
    /// A gateway that serves a third tenant with the component.
    pub(super) gateway: Arc<Gateway>,
    /// For what is left of that tenant's keys.
    of_gateway: Trial,
    /// One key of each type, for cases that leave it as it is.
    shared: tokio::sync::Mutex<HashMap<KeyType, Result<Made, String>>>,
    note: Mutex<Option<String>>,
}

/// A key that the component made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) key: TrialKey,
    pub(super) handle: Option<Handle>,
    pub(super) public: PublicKey,
}

impl Made {
    /// The key as its provider is told of it.
    pub(super) fn told(&self) -> KeyRef {
        KeyRef { id: self.key.id(), handle: self.handle.clone() }
    }

    /// The same with another handle.
    pub(super) fn told_with(&self, handle: Option<Handle>) -> KeyRef {
        KeyRef { id: self.key.id(), handle }
    }
}

impl Kit {
    /// Loads the component; gives the stage back where that is refused.
    pub(super) async fn new(stage: Stage) -> Result<Self, (anyhow::Error, Stage)> {
        match parts(&stage).await {
            Ok((loaded, [trial, other, of_gateway], gateway)) => {
                let (shared, note) = (tokio::sync::Mutex::default(), Mutex::default());
                Ok(Self { stage, loaded, trial, other, gateway, of_gateway, shared, note })
            }
            Err(error) => Err((error, stage)),
        }
    }

    /// Makes everything well for the next case.
    pub(super) fn begin(&self) {
        self.stage.switch.set(Conduct::Well);
        drop(self.noted());
    }

    /// Has custodians fail so from now on.
    pub(super) fn fail(&self, kind: FailureKind) {
        self.stage.switch.set(Conduct::Fails(Failure {
            code: Self::CODE,
            retry_after: Some(Duration::from_millis(1500)),
            ..Failure::new(kind, "the custodian was told to fail")
        }));
    }

    /// The gateway's tenant.
    pub(super) const GATEWAY: &str = "gateway-trial";

    /// What custodians that were told to fail give as their code.
    pub(super) const CODE: u32 = 4711;

    /// Says what was measured; it goes with the promise into the report.
    pub(super) fn note(&self, words: impl Into<String>) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.into());
    }

    pub(super) fn noted(&self) -> Option<String> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Leaves nothing at any custodian.
    pub(super) async fn close(self) -> Result<()> {
        self.stage.switch.set(Conduct::Well);
        let mut cleared = Ok(());
        for trial in [&self.trial, &self.other, &self.of_gateway] {
            let deadline = self.stage.outside.clock.now() + SETTLED;
            match self.stage.is_seen {
                true => cleared = cleared.and(trial.erase_all(deadline).await),
                false => self.destroy_all(trial).await,
            }
        }
        self.stage.close().await;

        cleared.context("a key is still at its custodian")
    }

    /// Has the component destroy every key, where nobody else can. Most are destroyed by now.
    async fn destroy_all(&self, trial: &Trial) {
        for key in trial.keys() {
            let told = KeyRef { id: key.id(), handle: None };
            drop(self.ask().on(trial).destroy(&key, told).await);
        }
    }

    /// A deadline that is far enough for the slowest custodian.
    pub(super) fn soon(&self) -> Instant {
        self.stage.outside.clock.now() + SOON
    }

    /// Asks the component in a fresh instance.
    pub(super) fn ask(&self) -> Ask<'_> {
        Ask { kit: self, loaded: &self.loaded, trial: &self.trial, deadline: self.soon() }
    }

    /// Skips what needs a custodian where there is none.
    pub(super) fn needs_custodian(&self) -> Verdict {
        match &self.stage.missing {
            Some(missing) => Err(Broken::skipped(missing.as_str())),
            None => Ok(()),
        }
    }

    /// Skips what only custody could tell where it sees nothing.
    pub(super) fn needs_custody(&self) -> Verdict {
        if self.stage.is_seen {
            Ok(())
        } else {
            Err(Broken::skipped("custody does not see what its custodian does"))
        }
    }

    /// Fails where custody should have seen a key destroyed, and did not.
    pub(super) fn is_destroyed(&self, tried: &Tried<()>) -> Verdict {
        let is_destroyed = tried.saw.destroyed || !self.stage.is_seen;

        ensure(is_destroyed, "a key that is destroyed at its custodian", || {
            "success, and custody saw nothing destroyed".to_owned()
        })
    }

    /// Every type that the component offers and its custodian has.
    pub(super) async fn key_types(&self) -> Result<Vec<KeyType>, Broken> {
        self.needs_custodian()?;
        let mut key_types = Vec::new();
        for (key_type, _) in &self.loaded.descriptor.offers {
            if self.shared_key(*key_type).await.is_ok() {
                key_types.push(*key_type);
            }
        }

        if key_types.is_empty() { Err(Broken::skipped(NO_KEY)) } else { Ok(key_types) }
    }

    /// The type that is offered of which keys would be made soonest.
    pub(super) fn cheapest_offer(&self) -> Result<KeyType, Broken> {
        let offered = self.loaded.descriptor.offers.iter().map(|(key_type, _)| *key_type);

        offered
            .min_by_key(|key_type| price(*key_type))
            .ok_or_else(|| Broken::skipped("it offers no key type"))
    }

    /// The type of which keys are made soonest.
    pub(super) async fn cheapest(&self) -> Result<KeyType, Broken> {
        self.needs_custodian()?;
        let mut offered: Vec<_> =
            self.loaded.descriptor.offers.iter().map(|(key_type, _)| *key_type).collect();
        offered.sort_by_key(|key_type| price(*key_type));
        for key_type in offered {
            if self.shared_key(key_type).await.is_ok() {
                return Ok(key_type);
            }
        }

        Err(Broken::skipped(NO_KEY))
    }

    /// The cheapest type of each family.
    pub(super) async fn families(&self) -> Result<Vec<KeyType>, Broken> {
        let mut cheapest: Vec<KeyType> = Vec::new();
        let mut key_types = self.key_types().await?;
        key_types.sort_by_key(|key_type| price(*key_type));
        for key_type in key_types {
            let family = std::mem::discriminant(&key_type.family());
            if cheapest.iter().all(|other| std::mem::discriminant(&other.family()) != family) {
                cheapest.push(key_type);
            }
        }

        Ok(cheapest)
    }

    /// The schemes that the component offers for a type.
    pub(super) fn schemes(&self, key_type: KeyType) -> Vec<Scheme> {
        let offers = self.loaded.descriptor.offers.iter();

        offers.filter(|(offered, _)| *offered == key_type).flat_map(|(_, schemes)| schemes.clone()).collect()
    }

    /// A scheme that the component offers for a type.
    pub(super) fn scheme(&self, key_type: KeyType) -> Result<Scheme, Broken> {
        self.schemes(key_type)
            .first()
            .copied()
            .ok_or_else(|| Broken::skipped(format!("{key_type} is offered without a scheme")))
    }

    /// A key of this type that all cases share, as it is.
    pub(super) async fn key(&self, key_type: KeyType) -> Result<Made, Broken> {
        self.needs_custodian()?;

        self.shared_key(key_type).await.map_err(Broken::skipped)
    }

    async fn shared_key(&self, key_type: KeyType) -> Result<Made, String> {
        let mut shared = self.shared.lock().await;
        if let Some(made) = shared.get(&key_type) {
            return made.clone();
        }

        let made = match self.make(key_type).await {
            Ok(made) => Ok(made),
            Err(Broken::Advised(difference) | Broken::Failed(difference)) => {
                Err(format!("no {key_type} key could be made: {}", difference.came))
            }
            Err(Broken::Skipped(why)) => Err(why),
        };
        shared.insert(key_type, made.clone());
        made
    }

    /// A key of this type for one case alone.
    pub(super) async fn fresh(&self, key_type: KeyType) -> Result<Made, Broken> {
        self.needs_custodian()?;

        match self.make(key_type).await {
            Err(Broken::Failed(difference)) => Err(Broken::skipped(format!("no key: {}", difference.came))),
            made => made,
        }
    }

    /// Has a key made, and reads what the component says of it.
    pub(super) async fn make(&self, key_type: KeyType) -> Result<Made, Broken> {
        self.ask().make(key_type).await
    }
}

async fn parts(stage: &Stage) -> Result<(Loaded, [Trial; 3], Arc<Gateway>)> {
    let loaded = stage.load(Manner::default()).await?;
    let trial = |tenant: &str| -> Result<Trial> {
        let (custody, keys) = (stage.custody.clone(), stage.keys.clone());
        Ok(Trial::new(tenant.parse()?, custody, keys, stage.outside.clone())?)
    };
    // Before there is a row: a gateway that starts gives up those that are pending, as a trial's are.
    let gateway = stage.gateway(&Kit::GATEWAY.parse()?, &loaded).await?;

    Ok((loaded, [trial(TENANT)?, trial(OTHER_TENANT)?, trial(Kit::GATEWAY)?], gateway))
}

/// Fails unless `answer` is the signature of the key with this public half.
pub(super) fn verifies(public: &PublicKey, scheme: Scheme, input: &Input, answer: &[u8]) -> Verdict {
    let signature = Signature::new(public.key_type(), answer.to_vec());
    let signature = signature.ok_or_else(|| {
        Broken::failed(format!("a {scheme} signature"), format!("{} bytes that are none", answer.len()))
    })?;

    let verified = public.verifies(scheme, input, &signature)?;
    ensure(verified, "a signature that the key's public half verifies", || {
        format!("a {scheme} signature that it does not")
    })
}

/// An ordinary input, told apart from others by `number`. Where the component is handed digests, it is hashed first.
pub(super) fn ordinary(number: u32) -> Input {
    Input::Message(format!("message {number} of a trial").as_bytes().into())
}

/// A digest of exactly these bytes, for a hash of this length.
pub(super) fn digest(hash: Hash, bytes: &[u8]) -> Result<Input, Broken> {
    Ok(Input::Digest(Digest::new("digest", hash, bytes)?))
}

/// How dear keys of a type are to make.
fn price(key_type: KeyType) -> (u8, usize) {
    match key_type.family() {
        Family::Ecdsa { order } => (0, order),
        Family::EdDsa => (1, 0),
        Family::MlDsa { signature } => (2, signature),
        Family::Rsa { modulus } => (3, modulus),
    }
}

/// Reads the public half in an answer.
pub(super) fn public_half(der: &[u8], key_type: KeyType) -> Result<PublicKey, Broken> {
    let public = PublicKey::from_der(der);
    let expected = format!("a SubjectPublicKeyInfo of type {key_type}");
    let public = succeeds_in_reading(public, &expected)?;

    ensure(public.key_type() == key_type, &expected, || format!("one of type {}", public.key_type()))?;
    Ok(public)
}

fn succeeds_in_reading<T>(
    read: Result<T, keyport_core::public_key::BadPublicKey>,
    expected: &str,
) -> Result<T, Broken> {
    succeeds(read.map_err(|bad| Failure::new(FailureKind::Internal, bad.to_string())), expected)
}

/// Whose keys they are.
const TENANT: &str = "trial";
const OTHER_TENANT: &str = "other-trial";

const NO_KEY: &str = "no key could be made";

/// Enough for an RSA-4096 key pair in a slow token.
const SOON: Duration = Duration::from_secs(120);

/// Longer than any service may take until it lists what it made.
const SETTLED: Duration = Duration::from_secs(180);
