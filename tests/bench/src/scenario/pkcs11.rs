//! Keys on a SoftHSM token, beside the token that is called directly, with ten pairs and with many.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::CONNECTIONS;
use crate::bare_token::Cost;
use crate::bench::Bench;
use crate::load::Workload;
use crate::measure::{Sample, Variant, median};
use crate::report::Section;
use crate::server::{Hsm, Server};
use crate::token::Token;

/// Makes tokens with ten pairs and one with 10,000, and measures each through the gateway and without it.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let mut section = Section::new(
        format!("P-256 on a SoftHSM token, {CONNECTIONS} at once, every entry fsynced"),
        &[
            "key pairs on the token",
            "verified by",
            "µs CPU, gateway and library",
            "µs CPU, token alone",
            "signatures/s",
            "token alone, signatures/s",
            "median µs",
            "p99 µs",
        ],
    );
    let many = if bench.options.quick { 500 } else { 10_000 };
    let filled = |pairs, verify| Filled::new(bench, pairs, verify);
    let (Some(few), Some(dear), Some(lots)) =
        (filled(KEYS, "handle").await?, filled(KEYS, "signature").await?, filled(many, "handle").await?)
    else {
        section.note("skipped: there is no SoftHSM; on Debian, apt-get install softhsm2");
        return Ok(section);
    };

    let tokens = [few, dear, lots];
    let mut runs = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..bench.rounds() {
        let order = if round % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
        for which in order {
            runs[which].push(tokens[which].measure(bench).await?);
        }
    }
    fill(&mut section, &tokens, &runs);
    Ok(section)
}

fn fill(section: &mut Section, tokens: &[Filled; 3], runs: &[Vec<Run>; 3]) {
    for (token, runs) in tokens.iter().zip(runs) {
        section.row([
            json!(token.pairs),
            json!(token.verify),
            json!(over(runs, |run| run.gateway.cpu())),
            json!(over(runs, |run| run.bare.cpu)),
            json!(over(runs, |run| run.gateway.rate).round()),
            json!(over(runs, |run| run.bare.rate).round()),
            json!(over(runs, |run| run.gateway.median)),
            json!(over(runs, |run| run.gateway.p99)),
        ]);
    }

    let [few, _, lots] = runs;
    let beyond = over(few, |run| run.gateway.cpu() - run.bare.cpu);
    section.at_most("CPU beyond the token's own, with ten pairs", beyond, 100.0, " µs");
    let ratio = median(few.iter().zip(lots).map(|(few, lots)| lots.gateway.cpu() / few.gateway.cpu()));
    section.at_most("Signing with ten keys among all pairs", ratio, 1.1, " × with ten pairs");
    section.note("the library runs in a process of its own, whose CPU time is counted with the gateway's");
}

/// One run on one token.
#[derive(Clone, Copy, Debug)]
struct Run {
    gateway: Sample,
    bare: Cost,
}

fn over(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    median(runs.iter().map(figure))
}

/// A token with keys that a gateway made, and the gateway.
#[derive(Debug)]
struct Filled {
    hsm: Hsm,
    server: Server,
    workload: Arc<Workload>,
    pairs: usize,
    /// How it is made sure that a signature is the key's own.
    verify: &'static str,
}

impl Filled {
    async fn new(bench: &Bench, pairs: usize, verify: &'static str) -> Result<Option<Self>> {
        let name = format!("pkcs11-{pairs}-{verify}");
        let Some(token) = Token::softhsm(bench, &name).await? else { return Ok(None) };
        let lines = format!("in-flight = {}\nverify = \"{verify}\"", bench.cpus.servers());
        let hsm = Hsm::prepare(bench, &name, token, &lines)?;
        if pairs > KEYS {
            hsm.fill(bench, pairs - KEYS).await?;
        }
        let server = hsm.start(bench).await?;
        let workload = Arc::new(Workload::of_keys(&server.target, KEYS, CONNECTIONS).await?);

        Ok(Some(Self { hsm, server, workload, pairs, verify }))
    }

    /// What signatures cost now.
    async fn measure(&self, bench: &Bench) -> Result<Run> {
        let requests = bench.requests(30_000);
        let variant = Variant {
            server: &self.server,
            workload: Arc::clone(&self.workload),
            connections: CONNECTIONS,
            requests,
        };

        Ok(Run { gateway: variant.run().await?, bare: self.hsm.bare(bench, CONNECTIONS, requests).await? })
    }
}

/// Keys that are signed with, in turn.
const KEYS: usize = 10;
