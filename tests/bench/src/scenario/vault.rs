//! Keys in the transit engine of an OpenBao: what the gateway adds, and how much of the engine's rate it leaves.

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
use crate::server::{Server, Transit};

/// Measures an OpenBao through the gateway and without it, in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let mut section = Section::new(
        format!("P-256 in the transit engine of an OpenBao, {CONNECTIONS} at once, every entry fsynced"),
        &["by way of", "µs CPU, gateway", "signatures/s", "% of the engine's", "median µs", "p99 µs"],
    );
    let Some(transit) = Transit::start(bench).await? else {
        section.note("skipped: OpenBao could not be installed from PyPI");
        return Ok(section);
    };

    let verifying = Gateway::on(bench, &transit, true).await?;
    let trusting = Gateway::on(bench, &transit, false).await?;
    let requests = bench.requests(20_000);
    let mut rounds = Vec::new();
    for _ in 0..bench.rounds() {
        rounds.push(Round {
            verifying: verifying.variant(requests).run().await?,
            bare: transit.bare(CONNECTIONS, requests).await?,
            trusting: trusting.variant(requests).run().await?,
        });
    }
    fill(&mut section, &rounds);
    Ok(section)
}

fn fill(section: &mut Section, rounds: &[Round]) {
    let over = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure));
    let verifying: Through = |round| &round.verifying;
    let trusting: Through = |round| &round.trusting;
    let share = |way: Through| over(&|round| way(round).rate / round.bare * 100.0);
    for (name, way) in [("keyport", verifying), ("keyport, `verify = false`", trusting)] {
        section.row([
            json!(name),
            json!(over(&|round| way(round).cpu())),
            json!(over(&|round| way(round).rate).round()),
            json!(share(way)),
            json!(over(&|round| way(round).median)),
            json!(over(&|round| way(round).p99)),
        ]);
    }
    section.row([
        json!("the engine, called directly"),
        json!(null),
        json!(over(&|round| round.bare).round()),
    ]);

    let cpu = over(&|round| round.verifying.cpu());
    section.at_most("CPU of the gateway for each signature that it verifies", cpu, 250.0, " µs");
    let rate = "The rate through a gateway that does the same work";
    section.at_least(rate, share(trusting), 85.0, " % of the engine's own");
    section.note(
        "OpenBao has the servers' CPUs to itself, as if it were elsewhere; the gateway shares the clients'",
    );
    section.note("who asks the engine directly verifies nothing, as a gateway with `verify = false`");
}

/// What came out in one round.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Through a gateway as it comes, which verifies each signature.
    verifying: Sample,
    /// Through one that does not.
    trusting: Sample,
    /// Signatures a second without a gateway.
    bare: f64,
}

/// One of a round's samples.
type Through = fn(&Round) -> &Sample;

/// A gateway, and what it is asked for.
#[derive(Debug)]
struct Gateway {
    server: Server,
    workload: Arc<Workload>,
}

impl Gateway {
    async fn on(bench: &Bench, transit: &Transit, verify: bool) -> Result<Self> {
        let server = transit.gateway(&bench.beside_clients(), verify).await?;
        let workload = Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?;

        Ok(Self { server, workload: Arc::new(workload) })
    }

    fn variant(&self, requests: usize) -> Variant<'_> {
        let workload = Arc::clone(&self.workload);

        Variant { server: &self.server, workload, connections: CONNECTIONS, requests }
    }
}
