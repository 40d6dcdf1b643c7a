//! 10,000 keys beside ten.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use super::CONNECTIONS;
use crate::bench::Bench;
use crate::client::Client;
use crate::load::{self, Workload};
use crate::measure::{self, Sample, Variant, median};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances, Server};
use crate::usage::{Cpu, resident};

/// Fills one gateway with ten keys and another with 10,000, starts both again and measures.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let many = if bench.options.quick { 1_000 } else { 10_000 };
    let few = filled(bench, 10).await?;
    let lots = filled(bench, many).await?;
    let filled = [&few, &lots];

    let variants = filled.map(|gateway| Variant {
        server: &gateway.server,
        workload: Arc::clone(&gateway.workload),
        connections: CONNECTIONS,
        requests: bench.requests(40_000),
    });
    let series = measure::rounds(bench.rounds(), &variants).await?;

    let mut section = Section::new(
        "Ten keys and many",
        &[
            "keys",
            "µs to create one",
            "ready ms",
            "list ms",
            "µs CPU at first",
            "µs CPU",
            "median µs",
            "MiB resident",
        ],
    );
    for (gateway, measured) in filled.iter().zip(&series) {
        section.row([
            json!(gateway.keys),
            json!(gateway.create),
            json!(gateway.ready),
            json!(gateway.list),
            json!(gateway.first),
            json!(measured.median(Sample::cpu)),
            json!(measured.median(|sample| sample.median)),
            json!(resident(gateway.server.pid())?),
        ]);
    }
    section.at_most("Ready with all keys", lots.ready, 1000.0, " ms");
    section.at_most("GET /keys with all keys", lots.list, 150.0, " ms");
    section.at_most(
        "Signing with all keys in turn",
        series[1].ratio(&series[0], Sample::cpu),
        1.1,
        " × with ten",
    );
    section.note("at first: each key is unsealed when it is first used after a start");
    section.note(format!("created over {CONNECTIONS} connections; then the gateway was started again"));
    Ok(section)
}

/// A gateway that was started again after keys were created.
#[derive(Debug)]
struct Filled {
    server: Server,
    workload: Arc<Workload>,
    keys: usize,
    /// Microseconds for each key, with many created at once.
    create: f64,
    /// Milliseconds from the process's start to its ready line.
    ready: f64,
    /// Milliseconds of a GET /keys.
    list: f64,
    /// Microseconds of CPU time for each key's first signature, where there are enough to tell.
    first: Option<f64>,
}

async fn filled(bench: &Bench, keys: usize) -> Result<Filled> {
    let gateway = Gateway::prepare(bench, &format!("{keys}-keys"), Instances::Reuse, Audit::Always).await?;
    let server = gateway.start(bench).await?;
    let start = Instant::now();
    let workload = Workload::of_keys(&server.target, keys, CONNECTIONS).await?;
    let create = start.elapsed().as_secs_f64() * 1e6 / keys as f64;
    server.stop().await?;

    let start = Instant::now();
    let server = gateway.start(bench).await?;
    let ready = start.elapsed().as_secs_f64() * 1e3;
    let list = list(&server, keys).await?;
    let workload = Arc::new(workload.moved(&server.target)?);
    let first = first(&server, &workload, keys).await?;
    Ok(Filled { server, workload, keys, create, ready, list, first })
}

/// The median time of GET /keys, in milliseconds.
async fn list(server: &Server, keys: usize) -> Result<f64> {
    let mut client = Client::connect(&server.target).await?;
    let request = server.target.get("/webhook/keys");

    let mut took = Vec::new();
    for _ in 0..LISTS {
        let start = Instant::now();
        let answer = client.exchange(&request).await?;
        took.push(start.elapsed().as_secs_f64() * 1e3);

        let listed: serde_json::Value = serde_json::from_slice(answer.body)?;
        ensure!(listed["keys"].as_array().map(Vec::len) == Some(keys), "not every key is listed");
    }
    Ok(median(took.into_iter()))
}

/// CPU time of a signature with each key in turn, in microseconds for each.
async fn first(server: &Server, workload: &Arc<Workload>, keys: usize) -> Result<Option<f64>> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(&server.target).await?);
    }
    let before = Cpu::of(server.pid())?;
    load::send(&mut clients, workload, keys).await?;
    let used = Cpu::of(server.pid())?.since(before);
    Ok((keys >= ENOUGH).then(|| (used.user + used.system) / keys as f64))
}

/// How many signatures the kernel's clock can tell from nothing.
const ENOUGH: usize = 1_000;
const LISTS: usize = 5;
