//! A tenant that keeps to its share, and another beside it that need not.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{getpriority_process, setpriority_process};
use tokio::task::JoinSet;

use super::CONNECTIONS;
use crate::bench::Bench;
use crate::client::{Client, Target};
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{Variant, median, percentile};
use crate::open_loop::{self, Seen};
use crate::server::Server;

/// How many signatures a second are a tenant's share of a core.
pub(super) async fn rate(bench: &Bench, server: &Server) -> Result<f64> {
    Ok(SHARE * 1e6 / cost(bench, server).await?)
}

/// CPU time of one signature at full load, in microseconds.
async fn cost(bench: &Bench, server: &Server) -> Result<f64> {
    let workload = Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?;
    let requests = bench.requests(40_000);
    let variant = Variant { server, workload: Arc::new(workload), connections: CONNECTIONS, requests };

    Ok(variant.run().await?.cpu())
}

/// A tenant with a key.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    target: Arc<Target>,
    /// What it asks for at its own rate.
    workload: Option<Arc<Workload>>,
    /// What it asks for when it asks for all it can get.
    requests: Arc<Vec<Vec<u8>>>,
}

impl Tenant {
    pub(super) async fn new(server: &Server, token: &str) -> Result<Self> {
        let target = Arc::new(server.target.with_token(token));
        let workload = Workload::of_one_key(&target, Contract::Webhook, KeyType::P256).await?;

        let requests = Arc::new(workload.bytes());
        Ok(Self { target, workload: Some(Arc::new(workload)), requests })
    }

    /// One that asks for new keys.
    pub(super) fn of_creates(server: &Server, token: &str) -> Self {
        let target = Arc::new(server.target.with_token(token));
        let create = |number| Contract::Webhook.create(&target, &format!("key-{number}"), KeyType::P256);
        let requests = Arc::new((0..KEYS).map(create).collect());

        Self { target, workload: None, requests }
    }

    async fn at(&self, rate: f64, time: Duration) -> Result<Seen> {
        let workload = self.workload.as_ref().context("it has no key")?;

        open_loop::send(&self.target, workload, (rate, CONNECTIONS), time).await
    }
}

/// What a neighbour does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Habit {
    /// Nothing.
    Absent,
    /// It keeps to its share.
    WellBehaved,
    /// It sends as fast as it is answered, over as many connections as a busy client has.
    Greedy,
}

/// One run: the victim's round trips, and how the neighbour fared.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) victim: Seen,
    pub(super) neighbour: Seen,
    /// For how long the neighbour sent, in seconds.
    pub(super) time: f64,
}

/// Measures the victim, which sends `rate` requests a second, beside a neighbour of this habit.
pub(super) async fn side_by_side(
    bench: &Bench,
    (victim, neighbour): (&Tenant, &Tenant),
    habit: Habit,
    rate: f64,
) -> Result<Run> {
    let measured = if bench.options.quick { Duration::from_millis(500) } else { Duration::from_secs(5) };
    let time = SETTLE + measured;
    let other = live(neighbour.clone(), habit, rate, time)?;

    // What a quota lets through at first is gone by then.
    tokio::time::sleep(SETTLE).await;
    let victim = victim.at(rate, measured).await?;
    let neighbour = other.join().map_err(|_panic| anyhow!("the neighbour's thread panicked"))??;
    Ok(Run { victim, neighbour, time: time.as_secs_f64() })
}

/// Starts a neighbour on a thread of its own, behind the victim's for the CPU: it must not slow down the victim's client.
fn live(tenant: Tenant, habit: Habit, rate: f64, time: Duration) -> Result<JoinHandle<Result<Seen>>> {
    let neighbour = move || {
        let behind = getpriority_process(None)? + BEHIND;
        setpriority_process(None, behind).context("a thread cannot step back")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match habit {
                Habit::Absent => Ok(Seen::default()),
                Habit::WellBehaved => tenant.at(rate, time).await,
                Habit::Greedy => take_all(&tenant, time).await,
            }
        })
    };

    thread::Builder::new().name("neighbour".to_owned()).spawn(neighbour).context("no thread")
}

async fn take_all(tenant: &Tenant, time: Duration) -> Result<Seen> {
    let end = Instant::now() + time;
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Client::connect(&tenant.target).await?;
        senders.spawn(take(client, Arc::clone(&tenant.requests), end));
    }

    let mut seen = Seen::default();
    while let Some(sent) = senders.join_next().await {
        seen.extend(sent??);
    }
    Ok(seen)
}

async fn take(mut client: Client, requests: Arc<Vec<Vec<u8>>>, end: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut start = Instant::now();
    for request in requests.iter().cycle() {
        seen.add(client.exchange(request).await?.status, start);
        start = Instant::now();
        if start >= end {
            break;
        }
    }
    Ok(seen)
}

/// The median of a figure over runs.
pub(super) fn over(runs: &[Run], figure: &dyn Fn(&Run) -> f64) -> f64 {
    median(runs.iter().map(figure))
}

/// What one in a hundred of the victim's round trips takes at least, in microseconds.
pub(super) fn p99(run: &Run) -> f64 {
    percentile(&run.victim.round_trips, 99)
}

/// Of a core, for each tenant.
const SHARE: f64 = 0.25;
/// How far a quota is above the share that it is to allow.
pub(super) const ROOM: f64 = 1.05;
const SETTLE: Duration = Duration::from_millis(1500);
/// Steps back in the queue for the CPU (nice(2)).
const BEHIND: i32 = 10;
/// Microseconds that a request at a quarter of a core does not take where the rest of the core is free.
pub(super) const BUSY: f64 = 5_000.0;
/// Keys that are asked for by who asks for keys.
const KEYS: usize = 1000;
