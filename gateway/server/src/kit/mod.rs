//! What every provider promises, tried one promise after the other on a component.
//!
//! A case calls the provider as the gateway would, with real custody and real custodians behind it, and judges what it
//! answers by its public half alone. It reads like its promise; what the cases share is in [`subject`] and [`ask`].

mod ask;
mod bench;
mod cases;
mod counted;
mod custodian;
mod subject;
mod verdict;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::assemble::stage::Stage;
use crate::report::{self, Report};
pub(crate) use bench::{Cost, Measured, bench};
use cases::all;
pub(crate) use counted::Counted;
pub(crate) use custodian::{Custodian, Switch};
use subject::Kit;
use verdict::{Broken, Case, Run};

/// Tries the promises whose names are in `only`, or all; `subject` is what the report calls the component.
pub(crate) async fn run(stage: Stage, subject: String, only: &[String]) -> Result<Report> {
    let chosen = chosen(only)?;
    let cases = match Kit::new(stage).await {
        Ok(kit) => {
            let mut cases = vec![LOADS.outcome(Ok(()), Duration::ZERO, None)];
            all_tried(&kit, chosen, &mut cases).await?;
            let cleared =
                kit.close().await.map_err(|error| Broken::failed("nothing left", format!("{error:#}")));
            cases.push(CLEARED.outcome(cleared, Duration::ZERO, None));
            cases
        }
        Err((error, stage)) => {
            let refused = Broken::failed("a component that is loaded", format!("{error:#}"));
            let refused = LOADS.outcome(Err(refused), Duration::ZERO, None);
            let rest = chosen.into_iter().map(|case| looked_at(case, &stage));
            let cases = std::iter::once(refused).chain(rest).collect();
            stage.close().await;
            cases
        }
    };

    Ok(Report { subject, cases })
}

/// Every case's name and promise.
pub(crate) fn listed() -> impl Iterator<Item = (&'static str, &'static str)> {
    let cases = all().map(|case| (case.name, case.promise));

    std::iter::once((LOADS.name, LOADS.promise)).chain(cases).chain([(CLEARED.name, CLEARED.promise)])
}

fn chosen(only: &[String]) -> Result<Vec<&'static Case>> {
    if let Some(unknown) = only.iter().find(|only| listed().all(|(name, _)| name != only.as_str())) {
        bail!("there is no case `{unknown}`; --list names them all");
    }

    Ok(all().filter(|case| only.is_empty() || only.iter().any(|name| name == case.name)).collect())
}

/// Tries one case after the other, until somebody interrupts: then what was made is still cleared up.
async fn all_tried(kit: &Kit, chosen: Vec<&Case>, cases: &mut Vec<report::Case>) -> Result<()> {
    let mut interrupts = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    let mut chosen = chosen.into_iter();

    for case in chosen.by_ref() {
        // Between two cases, as a custodian may still be making a key for the one that runs.
        if interrupts.recv().now_or_never().is_some() {
            let interrupted = Broken::failed("an end", "an interruption");
            cases.push(case.outcome(Err(interrupted), Duration::ZERO, None));
            break;
        }
        cases.push(tried(case, kit).await);
    }
    let untried = || Err(Broken::skipped("somebody interrupted"));
    cases.extend(chosen.map(|case| case.outcome(untried(), Duration::ZERO, None)));
    Ok(())
}

async fn tried(case: &Case, kit: &Kit) -> report::Case {
    kit.begin();
    let clock = &kit.stage.outside.clock;
    let begun = clock.now();
    let verdict = match case.run {
        Run::Call(call) => {
            let late = || Err(Broken::failed("an end", format!("none within {PATIENCE:?}")));
            kit.stage.outside.within(begun + PATIENCE, call(kit)).await.unwrap_or_else(late)
        }
        Run::Look(look) => look(&kit.stage.inspection),
        Run::Read(read) => read(kit),
    };

    case.outcome(verdict, clock.now().saturating_duration_since(begun), kit.noted())
}

/// What can be said of a component that is not loaded.
fn looked_at(case: &Case, stage: &Stage) -> report::Case {
    let verdict = match case.run {
        Run::Look(look) => look(&stage.inspection),
        Run::Call(_) | Run::Read(_) => Err(Broken::skipped("it is not loaded")),
    };

    case.outcome(verdict, Duration::ZERO, None)
}

/// What comes before every case.
const LOADS: Case = Case {
    name: "loads",
    promise: "The gateway takes it: it fits the interface, imports what can be granted, and describes itself.",
    run: Run::Read(|_| Ok(())),
};

/// What comes after every case.
const CLEARED: Case = Case {
    name: "cleared-up",
    promise: "Every key that was made to try it is destroyed at its custodian, with or without its help.",
    run: Run::Read(|_| Ok(())),
};

/// Far more than the slowest token needs for the largest keys.
const PATIENCE: Duration = Duration::from_secs(300);
