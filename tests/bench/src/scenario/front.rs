//! What a P-256 signature costs over 16 connections: floor, gateway and Express.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::CONNECTIONS;
use crate::bench::Bench;
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{self, Sample, Series, Variant};
use crate::report::Section;
use crate::server::{Audit, Crypto, Express, Gateway, Instances, Server, floor};

/// Measures them in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let mut section = Section::new(
        format!("P-256 over {CONNECTIONS} connections"),
        &["server", "µs CPU", "user", "system", "× floor", "signatures/s", "median µs", "p99 µs"],
    );
    let mut servers = vec![floor(bench, KeyType::P256).await?];
    for (instances, audit) in GATEWAYS {
        servers.push(Gateway::prepare(bench, "front", instances, audit).await?.start(bench).await?);
    }
    match express(bench).await {
        Ok(express) => servers.extend(express),
        Err(error) => section.note(format!("Express was skipped: {error:#}")),
    }

    let mut variants = Vec::new();
    for server in &servers {
        let workload =
            Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
        let requests = bench.requests(if server.name.starts_with("Express") { 10_000 } else { 40_000 });
        variants.push(Variant { server, workload, connections: CONNECTIONS, requests });
    }
    let series = measure::rounds(bench.rounds(), &variants).await?;
    fill(&mut section, &servers, &series);
    Ok(section)
}

async fn express(bench: &Bench) -> Result<Vec<Server>> {
    let express = Express::install(bench).await?;
    Ok(vec![express.start(bench, Crypto::Jose).await?, express.start(bench, Crypto::Node).await?])
}

fn fill(section: &mut Section, servers: &[Server], series: &[Series]) {
    for (server, measured) in servers.iter().zip(series) {
        section.row([
            json!(server.name),
            json!(measured.median(Sample::cpu)),
            json!(measured.median(|sample| sample.user)),
            json!(measured.median(|sample| sample.system)),
            json!(measured.ratio(&series[0], Sample::cpu)),
            json!(measured.median(|sample| sample.rate).round()),
            json!(measured.median(|sample| sample.median)),
            json!(measured.median(|sample| sample.p99)),
        ]);
    }

    section.at_most(
        "Instances reused, every entry fsynced",
        series[1].ratio(&series[0], Sample::cpu),
        2.1,
        " × the floor",
    );
    section.at_most(
        "A fresh instance each, every entry fsynced",
        series[2].ratio(&series[0], Sample::cpu),
        3.2,
        " × the floor",
    );
    if let [_, reuse, _, _, jose, node] = series {
        section.at_most("Against Express with jose", reuse.ratio(jose, Sample::cpu), 1.0 / 3.0, " × its CPU");
        section.at_most(
            "Against Express with node:crypto",
            reuse.ratio(node, Sample::cpu),
            1.0 / 3.0,
            " × its CPU",
        );
    }
    section.note(
        "µs CPU: user and system time of the server's process for each signature, median of all rounds",
    );
    section.note(
        "the floor and Express have no audit log and no policy; Express has no key look-up beyond a map",
    );
}

const GATEWAYS: [(Instances, Audit); 3] = [
    (Instances::Reuse, Audit::Always),
    (Instances::Fresh, Audit::Always),
    (Instances::Reuse, Audit::Interval),
];
