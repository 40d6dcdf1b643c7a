//! A slow token that does one thing at a time: what of its rate is left behind a gateway.

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
use crate::server::Hsm;
use crate::token::Token;

/// Measures a TPM in software through the gateway and without it, in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let mut section = Section::new(
        format!("P-256 on a software TPM by way of tpm2-pkcs11, {CONNECTIONS} at once"),
        &["by way of", "signatures/s", "median µs", "p99 µs"],
    );
    let bench = &bench.on_every_cpu();
    let Some(token) = Token::tpm(bench, "tpm").await? else {
        section.note("skipped: swtpm, tpm2-abrmd, tpm2_ptool, dbus or tpm2-pkcs11 is not installed");
        return Ok(section);
    };

    // As examples/hsm has it for a TPM, which does one thing at a time.
    let hsm = Hsm::prepare(bench, "tpm", token, "in-flight = 1")?;
    let server = hsm.start(bench).await?;
    let workload = Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
    let requests = bench.requests(2_000);
    let variant = Variant { server: &server, workload, connections: CONNECTIONS, requests };
    let (mut gateway, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        gateway.push(variant.run().await?);
        bare.push(hsm.bare(bench, CONNECTIONS, requests).await?.rate);
    }

    let over = |figure: fn(&Sample) -> f64| median(gateway.iter().map(figure));
    let rates = [over(|sample| sample.rate), median(bare.iter().copied())];
    section.row([
        json!("keyport"),
        json!(rates[0]),
        json!(over(|sample| sample.median)),
        json!(over(|sample| sample.p99)),
    ]);
    section.row([json!("the library, called directly"), json!(rates[1])]);
    let share = median(gateway.iter().zip(&bare).map(|(gateway, bare)| gateway.rate / bare));
    section.at_least("The rate through the gateway", share * 100.0, 95.0, " % of the token's own");
    section.note(
        "the gateway and the library may use all CPUs; the TPM and its resource manager run on the clients'",
    );
    Ok(section)
}
