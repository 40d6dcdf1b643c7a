//! A tenant at a quarter of a core, beside one that keeps to the same share and one that asks for all it can get.

use anyhow::Result;
use serde_json::json;

use super::neighbour::{BUSY, Habit, ROOM, Run, Tenant, over, p99, rate, side_by_side};
use super::tenant;
use crate::bench::Bench;
use crate::measure::{median, percentile};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances};

/// Measures the victim beside each neighbour, in turn.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let gateway = Gateway::prepare(bench, "isolation", Instances::Reuse, Audit::Always).await?;
    let server = gateway.start(bench).await?;
    let rate = rate(bench, &server).await?;
    server.stop().await?;

    let quota = format!("[tenant.quota]\nrequests-per-second = {}\n\n", (rate * ROOM).ceil());
    gateway.configure(&NAMES.map(|name| format!("{}{quota}", tenant(name, name))).concat())?;
    let server = gateway.start(bench).await?;
    let [victim, neighbour] = [Tenant::new(&server, NAMES[0]).await?, Tenant::new(&server, NAMES[1]).await?];

    let mut runs = HABITS.map(|_| Vec::new());
    for round in 0..bench.rounds() {
        let mut order = [0, 1, 2];
        if round % 2 == 1 {
            order.reverse();
        }
        for which in order {
            runs[which].push(side_by_side(bench, (&victim, &neighbour), HABITS[which].1, rate).await?);
        }
    }
    Ok(section(&runs, rate))
}

fn section(runs: &[Vec<Run>; 3], rate: f64) -> Section {
    let mut section = Section::new(
        format!("A tenant's {rate:.0} signatures a second, a quarter of a core, beside another tenant"),
        &[
            "neighbour",
            "median µs",
            "p99 µs",
            "refused",
            "neighbour's signatures/s",
            "neighbour's refusals/s",
        ],
    );
    for ((name, _), runs) in HABITS.iter().zip(runs) {
        section.row([
            json!(name),
            json!(over(runs, &|run| percentile(&run.victim.round_trips, 50))),
            json!(over(runs, &p99)),
            json!(runs.iter().map(|run| run.victim.refused).sum::<usize>()),
            json!(over(runs, &|run| run.neighbour.round_trips.len() as f64 / run.time).round()),
            json!(over(runs, &|run| run.neighbour.refused as f64 / run.time).round()),
        ]);
    }

    let [alone, behaved, greedy] = runs;
    let waits = over(alone, &|run| percentile(&run.victim.round_trips, 50));
    if waits > BUSY {
        section.note("the machine was busy with something else: even alone, the tenant had to wait, and nothing here means much");
    }
    let ratio = median(greedy.iter().zip(behaved).map(|(greedy, behaved)| p99(greedy) / p99(behaved)));
    section.at_most("p99 beside the greedy one", ratio, 1.2, " × beside the well-behaved one");
    let refused: usize = runs.iter().flatten().map(|run| run.victim.refused).sum();
    section.at_most("The tenant's requests that were refused", refused as f64, 0.0, "");
    section.note(
        "the tenant's requests are due at fixed times, and a round trip begins when its request was due; both tenants have \
         the same quota, and the greedy one begins again as soon as it is refused",
    );
    section
}

const HABITS: [(&str, Habit); 3] =
    [("none", Habit::Absent), ("well-behaved", Habit::WellBehaved), ("greedy", Habit::Greedy)];
/// The victim and its neighbour; each name is the token, too.
const NAMES: [&str; 2] = ["victim", "neighbour"];
