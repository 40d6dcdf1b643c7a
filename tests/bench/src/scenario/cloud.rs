//! Keys in a key management service: what the gateway needs for each call of it.

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
use crate::server::Cloud;
use crate::stand_in::Service;

/// Measures a gateway on a stand-in for the service.
pub(super) async fn run(bench: &Bench, service: Service) -> Result<Section> {
    let cloud = Cloud::start(bench, service).await?;
    let server = cloud.gateway(&bench.beside_clients()).await?;
    let workload = Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
    let requests = bench.requests(20_000);
    let variant = Variant { server: &server, workload, connections: CONNECTIONS, requests };
    let (mut samples, before) = (Vec::new(), cloud.used()?);
    for _ in 0..bench.rounds() {
        samples.push(variant.run().await?);
    }
    let used = cloud.used()?.since(before);

    let over = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure));
    let mut section = Section::new(
        format!("P-256 in {}, {CONNECTIONS} at once, every entry fsynced", service.title()),
        &["µs CPU, gateway", "µs CPU, stand-in", "signatures/s", "median µs", "p99 µs"],
    );
    section.row([
        json!(over(Sample::cpu)),
        json!((used.user + used.system) / (variant.sent() * bench.rounds()) as f64),
        json!(over(|sample| sample.rate).round()),
        json!(over(|sample| sample.median)),
        json!(over(|sample| sample.p99)),
    ]);
    if service == Service::Aws {
        section.at_most("CPU of the gateway for each signature", over(Sample::cpu), 350.0, " µs");
    }
    section.note(
        "A stand-in for the service, without TLS, has the servers' CPUs to itself, as if it were elsewhere; the gateway \
         shares the clients'",
    );
    Ok(section)
}
