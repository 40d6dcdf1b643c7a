//! What is measured: a file for each table.

mod cloud;
mod contracts;
mod foreign;
mod front;
mod hostile;
mod isolation;
mod key_types;
mod latency;
mod many_keys;
mod memory;
mod neighbour;
mod pkcs11;
mod slow_token;
mod swap;
mod throughput;
mod vault;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use clap::ValueEnum;

use crate::bench::Bench;
use crate::machine::Machine;
use crate::report::{Report, Section};
use crate::stand_in::Service;

/// The tables, in the order in which they are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// What a signature costs, beside the floor and Express
    Front,
    /// The round trip on one connection
    Latency,
    /// Each key type beside its bare cost
    KeyTypes,
    /// Contracts and credentials beside `webhook` with a bearer token, and batches
    Contracts,
    /// Answers about another tenant's keys beside those about keys that are missing
    Foreign,
    /// A tenant beside one that asks for more than its share
    Isolation,
    /// A tenant beside one whose providers misbehave at full rate
    Hostile,
    /// From 1 to 256 connections
    Throughput,
    /// 10,000 keys
    ManyKeys,
    /// Keys on a SoftHSM token beside the token itself, with ten pairs and 10,000
    Pkcs11,
    /// What of a slow token's rate is left behind the gateway
    SlowToken,
    /// Keys in an OpenBao beside the OpenBao that is called directly
    Vault,
    /// Keys in AWS KMS, by a stand-in
    Aws,
    /// Keys in Azure Key Vault, by a stand-in
    Azure,
    /// Keys in Google Cloud KMS, by a stand-in
    Gcp,
    /// Requests while versions of the provider change
    Swap,
    /// Resident memory after many signatures
    Memory,
}

impl Scenario {
    async fn run(self, bench: &Bench) -> Result<Section> {
        match self {
            Self::Front => front::run(bench).await,
            Self::Latency => latency::run(bench).await,
            Self::KeyTypes => key_types::run(bench).await,
            Self::Contracts => contracts::run(bench).await,
            Self::Foreign => foreign::run(bench).await,
            Self::Isolation => isolation::run(bench).await,
            Self::Hostile => hostile::run(bench).await,
            Self::Throughput => throughput::run(bench).await,
            Self::ManyKeys => many_keys::run(bench).await,
            Self::Pkcs11 => pkcs11::run(bench).await,
            Self::SlowToken => slow_token::run(bench).await,
            Self::Vault => vault::run(bench).await,
            Self::Aws => cloud::run(bench, Service::Aws).await,
            Self::Azure => cloud::run(bench, Service::Azure).await,
            Self::Gcp => cloud::run(bench, Service::Gcp).await,
            Self::Swap => swap::run(bench).await,
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

/// A tenant of the embedded token whose one caller may do everything and presents `token`.
fn tenant(name: &str, token: &str) -> String {
    let digest = hex::encode(digest(&SHA256, token.as_bytes()));
    format!(
        "[[tenant]]\nname = \"{name}\"\nprovider = \"soft\"\n\n[[tenant.caller]]\nname = \"bench\"\n\
         tokens = [\"sha256:{digest}\"]\n\n[[tenant.caller.right]]\nkeys = [\"*\"]\n\
         may = [\"create\", \"delete\", \"list\", \"release\", \"sign\", \"verify\"]\n\n"
    )
}
