//! A run: every case against a server, and nothing left there.

use std::time::Duration;

use anyhow::{Context, Result};
use keyport_core::outside::Clock;
use tokio::signal::unix::{SignalKind, signal};

use super::case::Case;
use super::contract::Contract;
use super::server::Server;
use crate::client::{Client, Target};
use crate::outside::{AwsLcRandom, TokioClock};
use crate::report::{self, Difference, Outcome, Report};

/// Tries `cases` on the server at `target`. Whatever happens, the keys that were made are given up.
pub(crate) async fn run(contract: Contract, target: Target, cases: &[Case]) -> Result<Report> {
    let (token, url) = (target.token.clone(), target.url.clone());
    let client = Client::new(target)?;
    // Before anything is made that would be left behind.
    let ending = ending()?;
    let reached = tokio::time::timeout(REACHING, client.connect()).await;
    let unreachable = || format!("cannot reach {}", client.authority());
    drop(reached.with_context(unreachable)?.with_context(unreachable)?);

    let server = Server::new((contract, client), token, &AwsLcRandom);
    let mut report = Report { subject: format!("{} at {url}", contract.as_str()), cases: Vec::new() };
    try_all(&server, cases, ending, &mut report.cases).await;
    report.cases.push(clean_up(&server).await);
    Ok(report)
}

/// Every case until time is up or somebody wants an end: from there on they are skipped.
async fn try_all(
    server: &Server,
    cases: &[Case],
    ending: impl Future<Output = String>,
    tried: &mut Vec<report::Case>,
) {
    let clock = TokioClock;
    let mut ending = std::pin::pin!(ending);
    let mut ended = None;

    for case in cases {
        let begun = clock.now();
        let outcome = match &ended {
            Some(why) => Outcome::Skipped(String::clone(why)),
            None => tokio::select! {
                biased;
                outcome = case.outcome(server) => outcome,
                why = &mut ending => {
                    // A run without an end is no success.
                    let came = ended.insert(why).clone();
                    Outcome::Failed(Difference::new("an outcome", came))
                }
            },
        };
        tried.push(report::Case {
            name: case.name.clone(),
            promise: case.promise.clone(),
            outcome: redacted(server, outcome),
            took: clock.now().duration_since(begun),
        });
    }
}

/// Why a run ends before its last case. Signals are waited for from here on.
fn ending() -> Result<impl Future<Output = String>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be waited for")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be waited for")?;

    Ok(async move {
        tokio::select! {
            () = tokio::time::sleep(WHOLE) => format!("the run may take {WHOLE:?}, and they are over"),
            _ = interrupt.recv() => "interrupted".to_owned(),
            _ = terminate.recv() => "terminated".to_owned(),
        }
    })
}

async fn clean_up(server: &Server) -> report::Case {
    let clock = TokioClock;
    let begun = clock.now();

    let expected = "every key of this run to be given up";
    let outcome = match tokio::time::timeout(CLEANING, server.clean_up()).await.as_deref() {
        Ok([]) => Outcome::Passed,
        Ok(names) => {
            Outcome::Failed(Difference::new(expected, format!("these are left: {}", names.join(", "))))
        }
        Err(_late) => {
            let left = format!("not within {CLEANING:?}; their names begin with {}", server.prefix());
            Outcome::Failed(Difference::new(expected, left))
        }
    };
    report::Case {
        name: "clean-up".to_owned(),
        promise: "Every key that this run made can be given up.".to_owned(),
        outcome: redacted(server, outcome),
        took: clock.now().duration_since(begun),
    }
}

/// A report is passed on: what the server repeated of the token is not.
fn redacted(server: &Server, outcome: Outcome) -> Outcome {
    let redact = |Difference { expected, came }: Difference| Difference {
        expected: server.redacted(&expected),
        came: server.redacted(&came),
    };

    match outcome {
        Outcome::Advised(difference) => Outcome::Advised(redact(difference)),
        Outcome::Failed(difference) => Outcome::Failed(redact(difference)),
        Outcome::Passed => Outcome::Passed,
        Outcome::Skipped(why) => Outcome::Skipped(server.redacted(&why)),
    }
}

/// How long a run may take, without cleaning up behind it.
const WHOLE: Duration = Duration::from_secs(300);
const CLEANING: Duration = Duration::from_secs(60);
const REACHING: Duration = Duration::from_secs(10);
