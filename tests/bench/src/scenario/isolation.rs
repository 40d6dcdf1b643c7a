//! A tenant at a quarter of a core, beside one that keeps to the same share and one that asks for all it can get.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{getpriority_process, setpriority_process};
use serde_json::json;
use tokio::task::JoinSet;

use super::{CONNECTIONS, tenant};
use crate::bench::Bench;
use crate::client::{Client, Target};
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{Variant, median, percentile};
use crate::open_loop::{self, Seen};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances, Server};

/// Measures the victim beside each neighbour, in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let gateway = Gateway::prepare(bench, "isolation", Instances::Reuse, Audit::Always).await?;
    let server = gateway.start(bench).await?;
    let rate = SHARE * 1e6 / cost(bench, &server).await?;
    server.stop().await?;

    let quota = format!("[tenant.quota]\nrequests-per-second = {}\n\n", (rate * ROOM).ceil());
    gateway.configure(&NAMES.map(|name| format!("{}{quota}", tenant(name, name))).concat())?;
    let server = gateway.start(bench).await?;
    let [victim, neighbour] = [Tenant::new(&server, NAMES[0]).await?, Tenant::new(&server, NAMES[1]).await?];

    let mut runs = HABITS.map(|_| Vec::new());
    for round in 0..bench.rounds() {
        let mut order = [0, 1, 2];
        if round % 2 == 1 {
            order.reverse();
        }
        for which in order {
            runs[which].push(side_by_side(bench, (&victim, &neighbour), HABITS[which].1, rate).await?);
        }
    }
    Ok(section(&runs, rate))
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
struct Tenant {
    target: Arc<Target>,
    workload: Arc<Workload>,
}

impl Tenant {
    async fn new(server: &Server, token: &str) -> Result<Self> {
        let target = Arc::new(server.target.with_token(token));
        let workload = Workload::of_one_key(&target, Contract::Webhook, KeyType::P256).await?;

        Ok(Self { target, workload: Arc::new(workload) })
    }
}

/// What a neighbour does.
#[derive(Clone, Copy, Debug)]
enum Habit {
    /// Nothing.
    Absent,
    /// It keeps to its share.
    WellBehaved,
    /// It sends as fast as it is answered, over as many connections as a busy client has.
    Greedy,
}

/// One run: the victim's round trips, and how the neighbour fared.
#[derive(Debug)]
struct Run {
    victim: Seen,
    neighbour: Seen,
    /// For how long the neighbour sent, in seconds.
    time: f64,
}

async fn side_by_side(
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
    let lanes = (rate, CONNECTIONS);
    let victim = open_loop::send(&victim.target, &victim.workload, lanes, measured).await?;
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
                Habit::WellBehaved => {
                    open_loop::send(&tenant.target, &tenant.workload, (rate, CONNECTIONS), time).await
                }
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
        senders.spawn(take(client, Arc::clone(&tenant.workload), end));
    }

    let mut seen = Seen::default();
    while let Some(sent) = senders.join_next().await {
        seen.extend(sent??);
    }
    Ok(seen)
}

async fn take(mut client: Client, workload: Arc<Workload>, end: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut start = Instant::now();
    for number in 0.. {
        seen.add(client.exchange(workload.request(number)).await?.status, start);
        start = Instant::now();
        if start >= end {
            break;
        }
    }
    Ok(seen)
}

fn section(runs: &[Vec<Run>; 3], rate: f64) -> Section {
    let mut section = Section::new(
        format!("A tenant's {rate:.0} signatures a second, a quarter of a core, beside another tenant"),
        &[
            "neighbour",
            "median µs",
            "p99 µs",
            "refused",
            "neighbour's signatures/s",
            "neighbour's refusals/s",
        ],
    );
    let over = |runs: &[Run], figure: &dyn Fn(&Run) -> f64| median(runs.iter().map(figure));
    for ((name, _), runs) in HABITS.iter().zip(runs) {
        section.row([
            json!(name),
            json!(over(runs, &|run| percentile(&run.victim.round_trips, 50))),
            json!(over(runs, &|run| percentile(&run.victim.round_trips, 99))),
            json!(runs.iter().map(|run| run.victim.refused).sum::<usize>()),
            json!(over(runs, &|run| run.neighbour.round_trips.len() as f64 / run.time).round()),
            json!(over(runs, &|run| run.neighbour.refused as f64 / run.time).round()),
        ]);
    }

    let [alone, behaved, greedy] = runs;
    let waits = over(alone, &|run| percentile(&run.victim.round_trips, 50));
    if waits > BUSY {
        section.note("the machine was busy with something else: even alone, the tenant had to wait, and nothing here means much");
    }
    let p99 = |run: &Run| percentile(&run.victim.round_trips, 99);
    let ratio = median(greedy.iter().zip(behaved).map(|(greedy, behaved)| p99(greedy) / p99(behaved)));
    section.at_most("p99 beside the greedy one", ratio, 1.2, " × beside the well-behaved one");
    let refused: usize = runs.iter().flatten().map(|run| run.victim.refused).sum();
    section.at_most("The tenant's requests that were refused", refused as f64, 0.0, "");
    section.note(
        "the tenant's requests are due at fixed times, and a round trip begins when its request was due; both tenants have \
         the same quota, and the greedy one begins again as soon as it is refused",
    );
    section
}

const HABITS: [(&str, Habit); 3] =
    [("none", Habit::Absent), ("well-behaved", Habit::WellBehaved), ("greedy", Habit::Greedy)];
/// The victim and its neighbour; each name is the token, too.
const NAMES: [&str; 2] = ["victim", "neighbour"];
/// Of a core, for each tenant.
const SHARE: f64 = 0.25;
/// How far a quota is above the share that it is to allow.
const ROOM: f64 = 1.05;
const SETTLE: Duration = Duration::from_millis(1500);
/// Steps back in the queue for the CPU (nice(2)).
const BEHIND: i32 = 10;
/// Microseconds that a request at a quarter of a core does not take where the rest of the core is free.
const BUSY: f64 = 5_000.0;
