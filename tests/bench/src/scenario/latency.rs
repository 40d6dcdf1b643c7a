//! The round trip on one connection, beside servers that do no more than sign, and sign and force a write.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::bench::Bench;
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{self, Variant};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances, floor, forcing_floor};

/// Measures floor and gateway in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let interval = Gateway::prepare(bench, "latency", Instances::Reuse, Audit::Interval).await?;
    let always = Gateway::prepare(bench, "latency", Instances::Reuse, Audit::Always).await?;
    let servers = [
        floor(bench, KeyType::P256).await?,
        interval.start(bench).await?,
        forcing_floor(bench).await?,
        always.start(bench).await?,
    ];

    let mut variants = Vec::new();
    for server in &servers {
        let workload =
            Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
        variants.push(Variant { server, workload, connections: 1, requests: bench.requests(5_000) });
    }
    let series = measure::rounds(bench.rounds(), &variants).await?;

    let mut section = Section::new("P-256 over one connection", &["server", "median µs", "p99 µs"]);
    for (server, measured) in servers.iter().zip(&series) {
        section.row([
            json!(server.name),
            json!(measured.median(|sample| sample.median)),
            json!(measured.median(|sample| sample.p99)),
        ]);
    }

    let ratio = |of: usize, to: usize| series[of].ratio(&series[to], |sample| sample.median);
    section.at_most("Entries fsynced by a timer", ratio(1, 0), 2.0, " × the floor");
    section.at_most("Every entry fsynced", ratio(3, 2), 1.0, " × the floor and one forced write");
    Ok(section)
}
