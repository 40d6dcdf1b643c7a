//! A tenant at a quarter of a core, beside one whose providers misbehave, each in a way of its own, as fast as they are
//! let.

use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::neighbour::{BUSY, Habit, ROOM, Run, Tenant, over, p99, rate, side_by_side};
use super::tenant;
use crate::bench::Bench;
use crate::measure::{median, percentile};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances, Server};

/// Measures the victim beside each neighbour, in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let gateway = Gateway::prepare(bench, "hostile", Instances::Reuse, Audit::Always).await?;
    let server = gateway.start(bench).await?;
    let rate = rate(bench, &server).await?;
    server.stop().await?;

    configure(&gateway, rate).await?;
    let server = gateway.start(bench).await?;
    let victim = Tenant::new(&server, VICTIM).await?;
    let neighbours = neighbours(&server).await?;
    let mut runs: Vec<Vec<Run>> = neighbours.iter().map(|_| Vec::new()).collect();
    for round in 0..bench.rounds() {
        let mut order: Vec<_> = (0..neighbours.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for which in order {
            let (_, neighbour, habit) = &neighbours[which];
            runs[which].push(side_by_side(bench, (&victim, neighbour), *habit, rate).await?);
        }
    }

    server.stop().await?;
    let names: Vec<_> = neighbours.iter().map(|(name, ..)| *name).collect();
    Ok(section(&names, &runs, rate))
}

/// A tenant with a provider for each way to misbehave, and two whose provider is ours.
async fn configure(gateway: &Gateway, rate: f64) -> Result<()> {
    gateway.write(HOSTILE, component("keyport-guest-hostile")?)?;
    gateway.write(PASSES_ON, component("keyport-guest-http")?)?;
    let address = dripping().await?;

    let quota = format!("[tenant.quota]\nrequests-per-second = {}\n\n", (rate * ROOM).ceil());
    let mut lines = format!(
        "[[connection]]\nname = \"kms\"\nkind = \"http\"\nurl = \"http://{address}\"\ntimeout = \"1s\"\n\
         private-addresses = [\"127.0.0.1/32\"]\n\n"
    );
    for mode in MODES {
        lines += &provider(mode, HOSTILE, &component("keyport-guest-hostile")?);
        lines += &format!("settings = {{ mode = \"{mode}\" }}\n\n{SOFT}{}{quota}", tenant_of(mode));
    }
    lines += &provider(SLOW, PASSES_ON, &component("keyport-guest-http")?);
    lines += &format!("\n{REQUESTS}{}{quota}", tenant_of(SLOW));
    for name in [VICTIM, WELL_BEHAVED] {
        lines += &format!("{}{quota}", tenant(name, name));
    }
    gateway.configure(&lines)
}

/// Each neighbour with its name; what others are compared with comes first.
async fn neighbours(server: &Server) -> Result<Vec<(&'static str, Tenant, Habit)>> {
    let well_behaved = Tenant::new(server, WELL_BEHAVED).await?;
    let mut neighbours =
        vec![(WELL_BEHAVED, well_behaved.clone(), Habit::WellBehaved), ("none", well_behaved, Habit::Absent)];
    for mode in MODES {
        neighbours.push((mode, Tenant::new(server, mode).await?, Habit::Greedy));
    }

    neighbours.push((SLOW, Tenant::of_creates(server, SLOW), Habit::Greedy));
    Ok(neighbours)
}

fn section(names: &[&str], runs: &[Vec<Run>], rate: f64) -> Section {
    let mut section = Section::new(
        format!(
            "A tenant's {rate:.0} signatures a second, a quarter of a core, beside a tenant whose providers misbehave"
        ),
        &["neighbour", "median µs", "p99 µs", "× well-behaved", "refused", "neighbour's answers/s"],
    );
    let [behaved, ..] = runs else { return section };
    let ratio = |runs: &[Run]| median(runs.iter().zip(behaved).map(|(run, behaved)| p99(run) / p99(behaved)));
    for (name, runs) in names.iter().zip(runs) {
        let answers = |run: &Run| (run.neighbour.round_trips.len() + run.neighbour.refused) as f64 / run.time;
        section.row([
            json!(name),
            json!(over(runs, &|run| percentile(&run.victim.round_trips, 50))),
            json!(over(runs, &p99)),
            json!((ratio(runs) * 100.0).round() / 100.0),
            json!(runs.iter().map(|run| run.victim.refused).sum::<usize>()),
            json!(over(runs, &answers).round()),
        ]);
    }

    if over(behaved, &|run| percentile(&run.victim.round_trips, 50)) > BUSY {
        section.note("the machine was busy with something else, and nothing here means much");
    }
    let worst = runs.iter().skip(2).map(|runs| ratio(runs)).fold(0.0, f64::max);
    section.at_most("p99 beside the worst of them", worst, 1.2, " × beside the well-behaved one");
    let refused: usize = runs.iter().flatten().map(|run| run.victim.refused).sum();
    section.at_most("The tenant's requests that were refused", refused as f64, 0.0, "");
    section.note(
        "the tenant's requests are due at fixed times, and a round trip begins when its request was due; every tenant has \
         the same quota, and those that misbehave begin again as soon as they are answered",
    );
    section
}

fn provider(name: &str, file: &str, component: &[u8]) -> String {
    let sha256 = hex::encode(digest(&SHA256, component));

    format!("[[provider]]\nname = \"{name}\"\ncomponent = \"file:{file}\"\nsha256 = \"{sha256}\"\n")
}

/// A tenant of the provider of its name.
fn tenant_of(name: &str) -> String {
    tenant(name, name).replacen("provider = \"soft\"", &format!("provider = \"{name}\""), 1)
}

fn component(package: &str) -> Result<Vec<u8>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = keyport_sdk_build::component(&workspace, package);

    Ok(built.with_context(|| format!("{package} does not build"))?.bytes)
}

/// Where a service answers each request with a byte now and then.
async fn dripping() -> Result<String> {
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?.to_string();

    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            tokio::spawn(drip(stream));
        }
    });
    Ok(address)
}

async fn drip(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _length = stream.read(&mut request).await?;

    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
    loop {
        stream.write_all(b"x").await?;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Ways to misbehave in `sign`; each is a tenant's name, its token and its provider's name, too.
const MODES: [&str; 6] = ["loop", "grow-memory", "flood-log", "panic-sign", "huge-result", "recurse"];
/// The tenant whose custodian drips.
const SLOW: &str = "slow-custodian";
const VICTIM: &str = "victim";
const WELL_BEHAVED: &str = "well-behaved";
/// The files that components are in.
const HOSTILE: &str = "hostile.wasm";
const PASSES_ON: &str = "passes-on.wasm";
const SOFT: &str = "[[provider.grant]]\nconnection = \"embedded\"\n\
    uses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n\n";
const REQUESTS: &str = "[[provider.grant]]\nconnection = \"kms\"\n\n\
    [[provider.grant.request]]\nduring = \"create\"\nmethod = \"POST\"\npath = \"/keys\"\n\n\
    [[provider.grant.request]]\nduring = \"destroy\"\nmethod = \"DELETE\"\npath = \"/keys/{key}\"\n\n";
