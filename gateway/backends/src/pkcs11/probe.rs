//! What a module has, what the gateway could do with it, and what it would refuse and why.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use keyport_core::backend::Backend;
use keyport_core::custody::Mechanism;
use keyport_core::custody::tryout::{TestKey, Tryout};
use keyport_core::outside::{Clock, Random, Task, Timestamp};
use keyport_core::scheme::{KeyType, Scheme};
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use tokio::time::Instant;

use super::connection::{Connection, Network, TokenChoice, Verify};
use super::inventory::{Inventory, SlotFound, TokenFacts};
use super::mechanism::{Offers, WANTED, name, serving};
use super::wire::{Pkcs11Protocol, Purpose, Ready, Setup};
use super::{OpenError, Pkcs11, confused, limits};
use crate::worker::{Program, Worker};

/// What is to be found out.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The vendor's library.
    pub module: PathBuf,
    /// What `C_Initialize` gets as pReserved.
    pub initialisation: Option<String>,
    /// What the module can reach.
    pub network: Network,
    /// The token to log in to; `None` for a look at what is there.
    pub token: Option<TokenChoice>,
    /// The user's PIN: it is tried once.
    pub pin: Option<Secret>,
    /// Whether to make a key of each type that the token offers, sign with it, verify, and destroy it.
    pub test_keys: bool,
    /// How long a call may take.
    pub call_timeout: Duration,
    /// As in [`Connection::host`].
    pub host: Program,
}

/// What was found out.
#[derive(Debug)]
pub struct Report {
    /// What the module says of itself.
    pub inventory: Inventory,
    /// What the gateway could do with each token that lists its mechanisms.
    pub tokens: Vec<TokenReport>,
    /// Whether the chosen token can be opened; `None` where none was chosen.
    pub opened: Option<Result<Opened, OpenError>>,
}

/// What the gateway could do with a token.
#[derive(Clone, Debug)]
pub struct TokenReport {
    /// Where it is.
    pub slot: u64,
    /// What it says of itself, where that can be read.
    pub facts: Option<TokenFacts>,
    /// The mechanisms that matter here, by name, and whether the token lists each.
    pub mechanisms: Vec<(String, bool)>,
    /// What each key type could be used for, or why not.
    pub abilities: Vec<Ability>,
}

/// What a token could do with keys of one type.
#[derive(Clone, Debug)]
pub struct Ability {
    /// The type.
    pub key_type: KeyType,
    /// Whether pairs can be made; what the token lacks where not.
    pub make: Result<(), Failure>,
    /// Whether each scheme can be served; what the token lacks where not, and [`FailureKind::Other`] where only a
    /// signature tells.
    pub schemes: Vec<(Scheme, Result<(), Failure>)>,
}

/// A token that was logged in to.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What tells it from every other.
    pub identity: String,
    /// How each type of key did that the token says it can make, where keys were to be made.
    pub test_keys: Vec<TestKey>,
}

/// Finds out what a module and its tokens can do. The module runs in a process of its own, as it would for the gateway.
pub async fn probe(probe: Probe) -> Result<Report, OpenError> {
    let inventory = inventory(&probe).await?;
    let tokens: Vec<_> = inventory.slots.iter().filter_map(token).collect();
    let opened = match &probe.token {
        Some(token) => Some(open(&probe, token.clone(), &tokens).await),
        None => None,
    };

    Ok(Report { inventory, tokens, opened })
}

async fn inventory(probe: &Probe) -> Result<Inventory, OpenError> {
    let setup = Setup {
        module: probe.module.clone(),
        initialisation: probe.initialisation.clone(),
        network: probe.network,
        purpose: Purpose::Inventory,
    };
    let limits = limits(probe.call_timeout, 1);
    let worker =
        Worker::<Pkcs11Protocol>::start("probe".to_owned(), probe.host.clone(), setup, limits).await?;

    match worker.ready((Instant::now() + limits.start).into_std()).await {
        Ok(Ready::Inventory(inventory)) => Ok(inventory),
        Ok(Ready::Token { .. }) => Err(OpenError::Failed(confused())),
        Err(failure) => Err(OpenError::Failed(failure)),
    }
}

fn token(slot: &SlotFound) -> Option<TokenReport> {
    let token = slot.token.as_ref()?;
    let offers = token.mechanisms.as_ref().ok()?;
    let listed = |code: u64| offers.0.iter().any(|offer| offer.code == code);

    Some(TokenReport {
        slot: slot.number,
        facts: token.facts.as_ref().ok().cloned(),
        mechanisms: WANTED.iter().map(|ckm| (name(*ckm), listed(**ckm))).collect(),
        abilities: KeyType::ALL.into_iter().map(|key_type| ability(offers, key_type)).collect(),
    })
}

fn ability(offers: &Offers, key_type: KeyType) -> Ability {
    let serves = |scheme: Scheme| match serving(scheme) {
        Some(Mechanism::Ed25519phOfMessage) => {
            offers.signs_with(key_type, Mechanism::Ed25519phOfMessage).and_then(|()| Err(untold()))
        }
        Some(mechanism) => offers.signs_with(key_type, mechanism),
        None => Err(Failure::new(FailureKind::Unsupported, "not through PKCS#11 here")),
    };
    let schemes = Scheme::ALL.into_iter().filter(|scheme| scheme.fits(key_type));

    Ability {
        key_type,
        make: offers.generates(key_type),
        schemes: schemes.map(|scheme| (scheme, serves(scheme))).collect(),
    }
}

/// Neither a yes nor a no: [`FailureKind::Other`].
fn untold() -> Failure {
    let message = "the mechanism list does not say whether the token heeds phFlag; it is tried before the first signature";

    Failure::new(FailureKind::Other, message)
}

async fn open(probe: &Probe, token: TokenChoice, tokens: &[TokenReport]) -> Result<Opened, OpenError> {
    let offered = offered(&token, tokens);
    let backend = Pkcs11::open(connection(probe, token)).await?;
    let patience = probe.call_timeout.saturating_mul(20);
    let identity = match backend.identity(Tokio.now() + patience).await {
        Ok(identity) => identity.unwrap_or_default(),
        Err(failure) => return Err(OpenError::Failed(failure)),
    };

    let tryout = Tryout { backend: &backend, random: &AwsLc, clock: &Tokio, patience };
    let mut test_keys = Vec::new();
    for key_type in offered.into_iter().filter(|_| probe.test_keys) {
        test_keys.push(tryout.key(key_type).await);
    }
    Ok(Opened { identity, test_keys })
}

/// The types of key that the chosen token says it can make.
fn offered(choice: &TokenChoice, tokens: &[TokenReport]) -> Vec<KeyType> {
    let is_chosen = |token: &&TokenReport| match (choice, &token.facts) {
        (TokenChoice::Slot(number), _) => token.slot == *number,
        (TokenChoice::Label(label), Some(facts)) => facts.label == *label,
        (TokenChoice::Serial(serial), Some(facts)) => facts.serial == *serial,
        (TokenChoice::Label(_) | TokenChoice::Serial(_), None) => false,
    };
    let abilities = tokens.iter().filter(is_chosen).flat_map(|token| &token.abilities);

    abilities.filter(|ability| ability.make.is_ok()).map(|ability| ability.key_type).collect()
}

fn connection(probe: &Probe, token: TokenChoice) -> Connection {
    Connection {
        name: "probe".to_owned(),
        module: probe.module.clone(),
        token,
        pin: probe.pin.clone(),
        sessions: NonZeroUsize::MIN,
        in_flight: NonZeroUsize::MIN,
        identity: None,
        read_only: false,
        verify: Verify::Signature,
        network: probe.network,
        initialisation: probe.initialisation.clone(),
        label: "{tenant}:{key}".to_owned(),
        call_timeout: probe.call_timeout,
        host: probe.host.clone(),
    }
}

#[derive(Debug)]
struct Tokio;

impl Clock for Tokio {
    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn wall(&self) -> Timestamp {
        std::time::SystemTime::now().into()
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Task {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}

#[derive(Debug)]
struct AwsLc;

impl Random for AwsLc {
    fn fill(&self, bytes: &mut [u8]) {
        // An id need not be random, only unused.
        let _zeros_then = aws_lc_rs::rand::fill(bytes);
    }
}
