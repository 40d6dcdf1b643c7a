//! Throughput as connections grow.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::bench::Bench;
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{self, Sample, Variant};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances, floor};

/// Measures floor and gateway with more and more connections.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let servers = [
        floor(bench, KeyType::P256).await?,
        Gateway::prepare(bench, "throughput", Instances::Reuse, Audit::Always).await?.start(bench).await?,
    ];
    let mut variants = Vec::new();
    for server in &servers {
        let workload =
            Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
        for connections in CONNECTIONS {
            let requests = bench.requests(if connections == 1 { 5_000 } else { 40_000 });
            variants.push(Variant { server, workload: Arc::clone(&workload), connections, requests });
        }
    }
    let series = measure::rounds(bench.rounds().div_ceil(2), &variants).await?;
    let (floors, gateways) = series.split_at(CONNECTIONS.len());

    let mut section = Section::new(
        "P-256 from 1 to 256 connections, every entry fsynced",
        &["connections", "floor/s", "keyport/s", "keyport µs CPU", "median µs", "p99 µs", "refused %"],
    );
    for ((connections, floor), gateway) in CONNECTIONS.iter().zip(floors).zip(gateways) {
        section.row([
            json!(connections),
            json!(floor.median(|sample| sample.rate).round()),
            json!(gateway.median(|sample| sample.rate).round()),
            json!(gateway.median(Sample::cpu)),
            json!(gateway.median(|sample| sample.median)),
            json!(gateway.median(|sample| sample.p99)),
            json!(gateway.median(|sample| sample.refused) * 100.0),
        ]);
    }

    let rates: Vec<_> = gateways.iter().map(|gateway| gateway.median(|sample| sample.rate)).collect();
    section.at_least("The lowest rate after the peak", after_peak(&rates), 0.9, " × the peak");
    let refused = gateways.iter().map(|gateway| gateway.median(|sample| sample.refused)).fold(0.0, f64::max);
    section.at_most("Requests refused for now", refused, 0.0, "");
    Ok(section)
}

/// The lowest rate at or after the peak, as a share of the peak.
fn after_peak(rates: &[f64]) -> f64 {
    let peak = rates.iter().copied().fold(f64::MIN, f64::max);
    let after = rates.iter().copied().skip_while(|rate| *rate < peak);
    after.fold(f64::MAX, f64::min) / peak
}

const CONNECTIONS: [usize; 5] = [1, 4, 16, 64, 256];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_after_the_peak_counts() {
        assert!((after_peak(&[1.0, 10.0, 9.5, 9.9]) - 0.95).abs() < 1e-9);
        assert!((after_peak(&[1.0, 5.0, 10.0]) - 1.0).abs() < 1e-9);
    }
}
