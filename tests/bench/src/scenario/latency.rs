//! The round trip on one connection, beside what one forced write costs.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::bench::Bench;
use crate::disk;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{self, Variant, percentile};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances, floor};

/// Measures floor and gateway in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let interval = Gateway::prepare(bench, "latency", Instances::Reuse, Audit::Interval).await?;
    let always = Gateway::prepare(bench, "latency", Instances::Reuse, Audit::Always).await?;
    let servers =
        [floor(bench, KeyType::P256).await?, interval.start(bench).await?, always.start(bench).await?];

    let mut variants = Vec::new();
    for server in &servers {
        let workload = Arc::new(Workload::of_one_key(&server.target, KeyType::P256).await?);
        variants.push(Variant { server, workload, connections: 1, requests: bench.requests(5_000) });
    }
    let mut forced = disk::forced_writes(always.folder(), bench.requests(2_000))?;
    let series = measure::rounds(bench.rounds(), &variants).await?;
    forced.extend(disk::forced_writes(always.folder(), bench.requests(2_000))?);
    forced.sort_unstable();

    let mut section = Section::new("P-256 over one connection", &["server", "median µs", "p99 µs"]);
    for (server, measured) in servers.iter().zip(&series) {
        section.row([
            json!(server.name),
            json!(measured.median(|sample| sample.median)),
            json!(measured.median(|sample| sample.p99)),
        ]);
    }
    let one_write = percentile(&forced, 50);
    section.row([json!("one forced write, alone"), json!(one_write), json!(percentile(&forced, 99))]);

    let floor = series[0].median(|sample| sample.median);
    section.at_most(
        "Entries fsynced by a timer",
        series[1].ratio(&series[0], |sample| sample.median),
        2.0,
        " × the floor",
    );
    section.at_most(
        "Every entry fsynced: the floor and one forced write",
        series[2].median(|sample| sample.median),
        floor + one_write,
        " µs",
    );
    Ok(section)
}
