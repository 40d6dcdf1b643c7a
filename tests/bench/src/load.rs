//! Load: so many requests over so many connections, each answer checked and each round trip timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tokio::task::JoinSet;

use crate::client::{Client, Target};
use crate::contract::Contract;
use crate::key::{KeyType, VerifyingKey};

/// Sign requests, made beforehand, that are sent in turn.
#[derive(Debug)]
pub(crate) struct Workload {
    requests: Vec<Request>,
}

#[derive(Debug)]
struct Request {
    key: Key,
    digest: Vec<u8>,
    bytes: Vec<u8>,
}

/// A key that was created, and over which contract.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    contract: Contract,
    key_type: KeyType,
    key: Arc<VerifyingKey>,
}

impl Workload {
    /// Creates a key at `target` over `contract`; the requests sign random digests with it.
    pub(crate) async fn of_one_key(target: &Target, contract: Contract, key_type: KeyType) -> Result<Self> {
        let name = format!("bench-{contract:?}-{}", key_type.argument());
        let key = Client::connect(target).await?.create(target, contract, &name, key_type).await?;
        let key = Key { name, contract, key_type, key: Arc::new(key) };
        let requests = (0..DIGESTS).map(|_| Request::new(target, key.clone()));
        Ok(Self { requests: requests.collect::<Result<_>>()? })
    }

    /// Creates `count` P-256 keys over `connections` connections; each request signs with another one.
    pub(crate) async fn of_keys(target: &Arc<Target>, count: usize, connections: usize) -> Result<Self> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut creators: JoinSet<_> =
            (0..connections).map(|_| create(Arc::clone(target), Arc::clone(&next), count)).collect();

        let mut requests = Vec::with_capacity(count);
        while let Some(created) = creators.join_next().await {
            requests.extend(created??);
        }
        Ok(Self { requests })
    }

    /// The same requests for the same keys at another address, where the server was started again, or by another caller.
    pub(crate) fn moved(&self, target: &Target) -> Result<Self> {
        let again = |request: &Request| Request::new(target, request.key.clone());
        Ok(Self { requests: self.requests.iter().map(again).collect::<Result<_>>()? })
    }

    /// The bytes of every request.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.requests.iter().map(|request| request.bytes.clone()).collect()
    }

    /// The bytes of a request, in turn.
    pub(crate) fn request(&self, number: usize) -> &[u8] {
        &self.requests[number % self.requests.len()].bytes
    }
}

impl Request {
    fn new(target: &Target, key: Key) -> Result<Self> {
        let mut digest = vec![0; key.key_type.hash().output_len()];
        SystemRandom::new().fill(&mut digest).context("no randomness")?;

        let bytes = key.contract.sign(target, &key.name, key.key_type, &digest);
        Ok(Self { key, digest, bytes })
    }
}

async fn create(target: Arc<Target>, next: Arc<AtomicUsize>, count: usize) -> Result<Vec<Request>> {
    let mut client = Client::connect(&target).await?;
    let mut requests = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(requests);
        }
        let name = format!("bench-{number}");
        let (contract, key_type) = (Contract::Webhook, KeyType::P256);
        let key = Arc::new(client.create(&target, contract, &name, key_type).await?);
        requests.push(Request::new(&target, Key { name, contract, key_type, key })?);
    }
}

/// What a load saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Round trips of answers that were signatures, sorted.
    pub(crate) round_trips: Vec<Duration>,
    /// How many answers were refusals for now: 429 and 503. Any other answer ends the bench.
    pub(crate) refused: usize,
}

/// Sends `count` requests of `workload` over connections that are open already.
///
/// Every answer must be a signature or a refusal for now, and of the signatures one in a few hundred is verified.
pub(crate) async fn send(clients: &mut Vec<Client>, workload: &Arc<Workload>, count: usize) -> Result<Seen> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut senders: JoinSet<_> = clients
        .drain(..)
        .map(|client| sender(client, Arc::clone(workload), Arc::clone(&next), count))
        .collect();

    let mut seen = Seen { took: Duration::ZERO, round_trips: Vec::with_capacity(count), refused: 0 };
    let mut kept = Vec::new();
    while let Some(sent) = senders.join_next().await {
        let sent = sent??;
        seen.round_trips.extend(sent.round_trips);
        seen.refused += sent.refused;
        kept.extend(sent.kept);
        clients.push(sent.client);
    }
    seen.took = start.elapsed();

    for (number, body) in kept {
        verify(&workload.requests[number], &body)?;
    }
    seen.round_trips.sort_unstable();
    Ok(seen)
}

#[derive(Debug)]
struct Sent {
    client: Client,
    round_trips: Vec<Duration>,
    refused: usize,
    /// Answers to be verified afterwards, by the number of their request.
    kept: Vec<(usize, Vec<u8>)>,
}

async fn sender(
    client: Client,
    workload: Arc<Workload>,
    next: Arc<AtomicUsize>,
    count: usize,
) -> Result<Sent> {
    let mut sent = Sent { client, round_trips: Vec::with_capacity(count / 4), refused: 0, kept: Vec::new() };
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(sent);
        }
        let place = number % workload.requests.len();
        let request = &workload.requests[place];

        let start = Instant::now();
        let answer = sent.client.exchange(&request.bytes).await?;
        let took = start.elapsed();

        if answer.status == 429 || answer.status == 503 {
            sent.refused += 1;
            continue;
        }
        ensure!(request.key.contract.is_signature(&answer), "not a signature: {answer}");
        if number.is_multiple_of(VERIFY_EACH) {
            sent.kept.push((place, answer.body.to_vec()));
        }
        sent.round_trips.push(took);
    }
}

fn verify(Request { key, digest, .. }: &Request, body: &[u8]) -> Result<()> {
    let signatures = key.contract.signatures(body)?;

    signatures.iter().try_for_each(|signature| key.key.verify(digest, signature))
}

/// How many different digests one key is asked to sign.
const DIGESTS: usize = 64;
/// A prime, so that it meets every request of a workload in time.
const VERIFY_EACH: usize = 251;
