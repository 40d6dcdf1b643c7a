//! A token that is called directly: what its own signatures cost, without a gateway.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Signs with a token's keys and says what that cost: what the bench compares the gateway with
#[derive(Debug, clap::Args)]
pub(crate) struct BareToken {
    /// The PKCS#11 library
    #[arg(long)]
    module: PathBuf,
    /// The token's label
    #[arg(long)]
    token: String,
    /// The file with its PIN
    #[arg(long)]
    pin_file: PathBuf,
    /// How many sessions sign at once
    #[arg(long, default_value_t = 1)]
    sessions: usize,
    /// How many signatures are measured
    #[arg(long, default_value_t = 0)]
    signatures: usize,
    /// How many P-256 pairs are made before
    #[arg(long, default_value_t = 0)]
    make: usize,
}

/// What signatures cost.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Cost {
    /// CPU time of the whole process for each, in microseconds.
    pub(crate) cpu: f64,
    /// Signatures in a second.
    pub(crate) rate: f64,
}

impl BareToken {
    /// Makes pairs, or signs with some of those that are there, in turn, and prints a [`Cost`] as JSON.
    pub(crate) fn run(&self) -> Result<()> {
        let library = Pkcs11::new(&self.module).context("cannot load the library")?;
        library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
        let slot = self.slot(&library)?;
        let login = library.open_ro_session(slot)?;
        let pin = std::fs::read_to_string(&self.pin_file).context("cannot read the PIN")?;
        login.login(UserType::User, Some(&AuthPin::new(pin.trim().into())))?;

        if self.make > 0 {
            let writer = library.open_rw_session(slot)?;
            return (0..self.make).try_for_each(|number| make(&writer, number));
        }
        let mut keys =
            login.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true)])?;
        ensure!(!keys.is_empty(), "there is no key on the token");
        keys.truncate(KEYS);
        let sessions = (0..self.sessions).map(|_| library.open_ro_session(slot));
        let sessions: Vec<_> = sessions.collect::<Result<_, _>>()?;

        let (sessions, _) = sign(sessions, &keys, keys.len().max(self.signatures / WARM_UP))?;
        let (_, cost) = sign(sessions, &keys, self.signatures)?;
        println!("{}", serde_json::to_string(&cost)?);
        Ok(())
    }

    fn slot(&self, library: &Pkcs11) -> Result<Slot> {
        for slot in library.get_slots_with_token()? {
            if library.get_token_info(slot)?.label().trim_end() == self.token {
                return Ok(slot);
            }
        }
        anyhow::bail!("there is no token with the label {}", self.token)
    }
}

/// Makes a P-256 pair as the gateway does.
fn make(session: &Session, number: usize) -> Result<()> {
    let id = Attribute::Id(format!("bench-filler-{number}").into_bytes());
    let public = [
        Attribute::Token(true),
        Attribute::Verify(true),
        Attribute::EcParams(PRIME256V1.to_vec()),
        id.clone(),
    ];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        id,
    ];

    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
    Ok(())
}

/// Signs `count` digests in all, each session with a thread of its own and every key in turn.
fn sign(sessions: Vec<Session>, keys: &[ObjectHandle], count: usize) -> Result<(Vec<Session>, Cost)> {
    let next = AtomicUsize::new(0);
    let (start, before) = (Instant::now(), cpu());

    let sessions = thread::scope(|scope| {
        let threads: Vec<_> =
            sessions.into_iter().map(|session| scope.spawn(|| turns(session, keys, &next, count))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that signs")).collect::<Result<_>>()
    })?;
    let each = count as f64;
    Ok((sessions, Cost { cpu: (cpu() - before) / each, rate: each / start.elapsed().as_secs_f64() }))
}

fn turns(session: Session, keys: &[ObjectHandle], next: &AtomicUsize, count: usize) -> Result<Session> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(session);
        }
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        let signature = session.sign(&Mechanism::Ecdsa, keys[number % keys.len()], &digest)?;
        ensure!(signature.len() == 64, "not a signature by P-256");
    }
}

/// CPU time of this process, in microseconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);

    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// As many as the gateway's clients use.
const KEYS: usize = 10;
/// The curve's object identifier, 1.2.840.10045.3.1.7, in DER.
const PRIME256V1: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// One signature in so many again warms up, and every key signs once.
const WARM_UP: usize = 8;
