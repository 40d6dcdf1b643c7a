//! A provider's versions change under load: by reload, by rollback, and back.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::process::Command;
use tokio::time::sleep;

use super::CONNECTIONS;
use crate::bench::Bench;
use crate::contract::Contract;
use crate::key::KeyType;
use crate::load::Workload;
use crate::measure::percentile;
use crate::open_loop::{self, Seen};
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances};

/// Measures round trips at a fixed rate, without changes and with them.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let gateway = Gateway::prepare(bench, "swap", Instances::Reuse, Audit::Always).await?;
    let server = gateway.start(bench).await?;
    let workload = Arc::new(Workload::of_one_key(&server.target, Contract::Webhook, KeyType::P256).await?);
    let target = Arc::new(server.target.clone());
    let time = if bench.options.quick { Duration::from_millis(500) } else { Duration::from_secs(10) };
    let load = || open_loop::send(&target, &workload, (RATE, CONNECTIONS), time);

    let undisturbed = load().await?;
    let (disturbed, changes) = tokio::join!(load(), change(bench, &gateway, time));
    Ok(section(&[("none", undisturbed, 0), ("reload, rollback, readmit", disturbed?, changes?)]))
}

/// Changes versions until the time is over; answers how often.
async fn change(bench: &Bench, gateway: &Gateway, time: Duration) -> Result<usize> {
    let end = tokio::time::Instant::now() + time;
    let mut changes = 0;
    for version in 0_usize.. {
        gateway.set_provider(
            "settings",
            toml::Table::from_iter([("version".to_owned(), version.to_string().into())]),
        )?;
        for command in [
            &["reload"][..],
            &["provider", "rollback", "soft"],
            &["provider", "rollback", "soft", "--readmit"],
        ] {
            if tokio::time::Instant::now() + PAUSE >= end {
                return Ok(changes);
            }
            let output =
                Command::new(&bench.keyport).args(command).arg("--config").arg(gateway.config()).output();
            let output = output.await.context("the command cannot be started")?;
            ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            changes += 1;
            sleep(PAUSE).await;
        }
    }
    Ok(changes)
}

fn section(runs: &[(&str, Seen, usize); 2]) -> Section {
    let mut section = Section::new(
        format!("{RATE} signatures a second while versions of the provider change"),
        &["changes", "how many", "signatures", "failed", "median µs", "p99 µs"],
    );
    for (name, seen, changes) in runs {
        section.row([
            json!(name),
            json!(changes),
            json!(seen.round_trips.len()),
            json!(seen.refused),
            json!(percentile(&seen.round_trips, 50)),
            json!(percentile(&seen.round_trips, 99)),
        ]);
    }

    let failed: usize = runs.iter().map(|(_, seen, _)| seen.refused).sum();
    section.at_most("Requests that failed", failed as f64, 0.0, "");
    section
}

/// Requests a second.
const RATE: f64 = 1000.0;
const PAUSE: Duration = Duration::from_millis(300);
