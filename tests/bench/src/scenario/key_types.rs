//! Key types beside what their signatures cost alone.

use std::sync::Arc;

use anyhow::{Context, Result};
use aws_lc_rs::digest::digest;
use clap::ValueEnum;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::CONNECTIONS;
use crate::bench::Bench;
use crate::contract::Contract;
use crate::key::{KeyType, SigningKey};
use crate::load::Workload;
use crate::measure::{self, Sample, Variant};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances, floor};

/// Measures each key type: bare, with the floor, with the gateway.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let mut section = Section::new(
        format!("Key types over {CONNECTIONS} connections, every entry fsynced"),
        &[
            "key type",
            "bare µs",
            "floor µs CPU",
            "keyport µs CPU",
            "keyport beyond bare",
            "× floor",
            "signatures/s",
        ],
    );
    let gateway =
        Gateway::prepare(bench, "key-types", Instances::Reuse, Audit::Always).await?.start(bench).await?;

    for key_type in KeyType::value_variants() {
        let floor = floor(bench, *key_type).await?;
        let mut variants = Vec::new();
        for (server, contract) in [(&floor, Contract::Webhook), (&gateway, Contract::of(*key_type))] {
            let workload = Arc::new(Workload::of_one_key(&server.target, contract, *key_type).await?);
            let requests = bench.requests(if *key_type == KeyType::P256 { 40_000 } else { 10_000 });
            variants.push(Variant { server, workload, connections: CONNECTIONS, requests });
        }
        let series = measure::rounds(bench.rounds(), &variants).await?;

        let bare = bare(bench, *key_type)?;
        section.row([
            json!(key_type.name()),
            json!(bare),
            json!(series[0].median(Sample::cpu)),
            json!(series[1].median(Sample::cpu)),
            json!(series[1].median(Sample::cpu) - bare),
            json!(series[1].ratio(&series[0], Sample::cpu)),
            json!(series[1].median(|sample| sample.rate).round()),
        ]);
    }
    section.note("bare: aws-lc-rs in a loop on one of the server's CPUs");
    section.note("P-521 and Ed25519 over `v1`, the others over `webhook`");
    Ok(section)
}

/// CPU time of one signature in a loop on one thread, in microseconds.
pub(super) fn bare(bench: &Bench, key_type: KeyType) -> Result<f64> {
    let key = SigningKey::generate(key_type)?;
    let digest = digest(key_type.hash(), b"bench");
    let count = bench.requests(4_000);
    let sign = || -> Result<()> { (0..count).try_for_each(|_| key.sign(&digest).map(drop)) };

    let loops = || -> Result<f64> {
        sign()?;
        let start = thread_cpu();
        sign()?;
        Ok((thread_cpu() - start) / count as f64)
    };
    bench.cpus.as_server(loops)?.context("the loop failed")
}

/// CPU time of this thread, in microseconds.
fn thread_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
