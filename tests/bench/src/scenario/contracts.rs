//! Contracts and credentials beside `webhook` with a bearer token, and batches beside bare signatures.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::CONNECTIONS;
use super::key_types::bare;
use crate::bench::Bench;
use crate::contract::{BATCH, Contract};
use crate::issuer::Issuer;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::{self, Sample, Series, Variant};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances};

/// Measures each on one gateway, in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let gateway = Gateway::prepare(bench, "contracts", Instances::Reuse, Audit::Always).await?;
    let issuer = Issuer::new()?;
    gateway.write("jwks.json", issuer.keys())?;
    gateway.configure(&Issuer::configuration())?;
    let server = gateway.start(bench).await?;

    let target = &server.target;
    let webhook = Workload::of_one_key(target, Contract::Webhook, KeyType::P256).await?;
    let by_jwt = webhook.moved(&target.with_token(&issuer.token()?))?;
    let workloads = [
        webhook,
        by_jwt,
        Workload::of_one_key(target, Contract::RemoteKms, KeyType::P256).await?,
        Workload::of_one_key(target, Contract::V1, KeyType::P256).await?,
        Workload::of_one_key(target, Contract::V1Batch, KeyType::P256).await?,
    ];
    let variants: Vec<_> = workloads
        .into_iter()
        .zip(NAMES)
        .map(|(workload, (_, each))| Variant {
            server: &server,
            workload: Arc::new(workload),
            connections: CONNECTIONS,
            requests: bench.requests(SIGNATURES) / each.min(BATCH_RUN),
        })
        .collect();
    let series = measure::rounds(bench.rounds(), &variants).await?;

    let mut section = Section::new(
        format!("P-256 by contract and credential, over {CONNECTIONS} connections, every entry fsynced"),
        &["asked by", "µs CPU a signature", "× webhook", "signatures/s", "median µs", "p99 µs"],
    );
    fill(&mut section, &series, bare(bench, KeyType::P256)?);
    Ok(section)
}

fn fill(section: &mut Section, series: &[Series], bare: f64) {
    for ((name, each), measured) in NAMES.iter().zip(series) {
        let each = *each as f64;
        section.row([
            json!(name),
            json!(measured.median(Sample::cpu) / each),
            json!(measured.ratio(&series[0], Sample::cpu) / each),
            json!((measured.median(|sample| sample.rate) * each).round()),
            json!(measured.median(|sample| sample.median)),
            json!(measured.median(|sample| sample.p99)),
        ]);
    }

    let [webhook, by_jwt, remote_kms, _, batch] = series else { return };
    let beyond = by_jwt.difference(webhook, Sample::cpu);
    section.at_most("A JWT that was seen before, beyond a bearer token", beyond, 15.0, " µs");
    section.at_most("`remote_kms`", remote_kms.ratio(webhook, Sample::cpu), 1.1, " × `webhook`");
    let item = batch.median(Sample::cpu) / BATCH as f64 - bare;
    section.at_most("An item of a batch, beyond a bare signature", item, 8.0, " µs");
    section.note(format!(
        "the round trip of a batch is that of {BATCH} signatures; bare, one takes {bare:.1} µs"
    ));
}

/// What is measured, and how many signatures one request asks for.
const NAMES: [(&str, usize); 5] = [
    ("webhook, bearer token", 1),
    ("webhook, JWT", 1),
    ("remote_kms, bearer token", 1),
    ("v1, bearer token", 1),
    ("v1, batches of 100", BATCH),
];
const SIGNATURES: usize = 40_000;
/// A run of batches has more signatures than the others, for the kernel's clock to tell them.
const BATCH_RUN: usize = 40;
