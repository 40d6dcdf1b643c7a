//! Resident memory while signatures are made.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::CONNECTIONS;
use crate::bench::Bench;
use crate::client::Client;
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::{self, Workload};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances};
use crate::usage::resident;

/// Looks at the gateway's memory after more and more signatures.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let server =
        Gateway::prepare(bench, "memory", Instances::Reuse, Audit::Always).await?.start(bench).await?;
    let mut section = Section::new("Resident memory", &["signatures", "MiB"]);
    section.row([json!(0), json!(resident(server.pid())?)]);

    let workload = Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(&server.target).await?);
    }
    let mut measured = Vec::new();
    let step = bench.requests(STEP);
    for number in 1..=STEPS {
        load::send(&mut clients, &workload, step).await?;
        let mib = resident(server.pid())?;
        section.row([json!(step * number), json!(mib)]);
        measured.push(mib);
    }

    section.at_most("In the end", measured[STEPS - 1], 120.0, " MiB");
    section.at_most("The second half's growth", measured[STEPS - 1] - measured[STEPS / 2 - 1], 2.0, " MiB");
    Ok(section)
}

/// Signatures between two looks.
const STEP: usize = 25_000;
const STEPS: usize = 4;
