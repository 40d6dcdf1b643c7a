//! What is measured: a file for each table.

mod front;
mod key_types;
mod latency;
mod many_keys;
mod memory;
mod throughput;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::bench::Bench;
use crate::machine::Machine;
use crate::report::{Report, Section};

/// The tables, in the order in which they are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// What a signature costs, beside the floor and Express
    Front,
    /// The round trip on one connection
    Latency,
    /// P-256, P-384 and RSA-2048 beside their bare cost
    KeyTypes,
    /// From 1 to 256 connections
    Throughput,
    /// 10,000 keys
    ManyKeys,
    /// Resident memory after many signatures
    Memory,
}

impl Scenario {
    async fn run(self, bench: &Bench) -> Result<Section> {
        match self {
            Self::Front => front::run(bench).await,
            Self::Latency => latency::run(bench).await,
            Self::KeyTypes => key_types::run(bench).await,
            Self::Throughput => throughput::run(bench).await,
            Self::ManyKeys => many_keys::run(bench).await,
            Self::Memory => memory::run(bench).await,
        }
    }
}

/// Runs what was asked for. Each table is printed and kept as soon as it is there.
pub(crate) async fn run(bench: &Bench) -> Result<Report> {
    let mut report = Report { machine: Machine::of(bench), quick: bench.options.quick, sections: Vec::new() };
    println!("{}\n", report.machine.markdown());
    if report.quick {
        println!("A quick run: everything works; the figures mean little.\n");
    }

    for scenario in Scenario::value_variants() {
        if !bench.options.only.is_empty() && !bench.options.only.contains(scenario) {
            continue;
        }
        let section = Box::pin(scenario.run(bench)).await.with_context(|| format!("{scenario:?}"))?;
        println!("{}\n", section.markdown());
        report.sections.push(section);
        report.write(&bench.folder)?;
    }
    Ok(report)
}

/// How many connections a client that is busy has.
const CONNECTIONS: usize = 16;
