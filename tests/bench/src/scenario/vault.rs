//! Keys in the transit engine of an OpenBao: what the gateway adds, and what of the engine's rate is left behind it.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::CONNECTIONS;
use crate::bench::Bench;
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{Sample, Variant, median};
use crate::report::Section;
use crate::server::Transit;

/// Measures an OpenBao through the gateway and without it, in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let mut section = Section::new(
        format!("P-256 in the transit engine of an OpenBao, {CONNECTIONS} at once, every entry fsynced"),
        &["by way of", "µs CPU, gateway", "signatures/s", "median µs", "p99 µs"],
    );
    let Some(transit) = Transit::start(bench).await? else {
        section.note("skipped: OpenBao could not be installed from PyPI");
        return Ok(section);
    };

    let server = transit.gateway(&bench.beside_clients()).await?;
    let workload = Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
    let requests = bench.requests(20_000);
    let variant = Variant { server: &server, workload, connections: CONNECTIONS, requests };
    let (mut gateway, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        gateway.push(variant.run().await?);
        bare.push(transit.bare(CONNECTIONS, requests).await?);
    }

    let over = |figure: fn(&Sample) -> f64| median(gateway.iter().map(figure));
    section.row([
        json!("keyport"),
        json!(over(Sample::cpu)),
        json!(over(|sample| sample.rate).round()),
        json!(over(|sample| sample.median)),
        json!(over(|sample| sample.p99)),
    ]);
    section.row([
        json!("the engine, called directly"),
        json!(null),
        json!(median(bare.iter().copied()).round()),
    ]);
    section.at_most("CPU of the gateway for each signature", over(Sample::cpu), 250.0, " µs");
    let share = median(gateway.iter().zip(&bare).map(|(gateway, bare)| gateway.rate / bare));
    section.at_least("The rate through the gateway", share * 100.0, 85.0, " % of the engine's own");
    section.note(
        "OpenBao has the servers' CPUs to itself, as if it were elsewhere; the gateway shares the clients'",
    );
    Ok(section)
}
