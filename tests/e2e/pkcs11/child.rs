//! The process that the library runs in, killed under load.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::time::Instant;

use super::stage::{Stage, api, child, kill_child};
use crate::harness::load::{Load, are_signatures, are_signatures_or_unavailable};
use crate::harness::{Gateway, entries, eventually, keyport};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_child_fails_what_it_had_and_is_replaced_within_a_second() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let (acme, bystander) = (api(&gateway, "acme"), api(&gateway, "bystander"));
    let key = acme.create("a", "ec-p256").await;
    let other = bystander.create("a", "ec-p256").await;
    let (load, others) = (Load::start(&acme, &key, CLIENTS), Load::start(&bystander, &other, 1));

    let mut kills = Vec::new();
    for _ in 0..KILLS {
        signs_again(&gateway).await;
        tokio::time::sleep(BETWEEN_KILLS).await;
        let before = child(&gateway);
        kill_child(&gateway);
        kills.push(Instant::now());
        eventually("another process", async || child(&gateway).filter(|now| Some(*now) != before).map(drop))
            .await;
    }
    signs_again(&gateway).await;
    let (seen, others) = (load.end().await, others.end().await);

    are_signatures(&others);
    are_signatures_or_unavailable(&seen);
    for kill in kills {
        let after = seen.iter().filter(|seen| seen.status == 200 && seen.answered > kill + GRACE);
        let first = after.map(|seen| seen.answered).min().expect("it signs again");
        assert!(first - kill <= Duration::from_secs(1), "back after {:?}", first - kill);
    }
    gateway.stop().await;
    let verified = keyport(&[&"audit", &"verify", &stage.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    every_intent_has_an_outcome(&stage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_dies_again_and_again_is_not_started_in_a_loop() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let acme = api(&gateway, "acme");
    let key = acme.create("a", "ec-p256").await;

    let begun = Instant::now();
    let mut killed = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        if let Some(child) = child(&gateway) {
            // It may be dead already, and not buried yet.
            let sent = kill_process(child, Signal::KILL);
            killed += usize::from(sent.is_ok());
            eventually("its end", async || (self::child(&gateway) != Some(child)).then_some(())).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!((2..=8).contains(&killed), "{killed} processes in three seconds");
    eventually("it to sign again", async || (acme.ask_to_sign("a").await.status == 200).then_some(())).await;
    acme.sign(&key).await;
}

async fn signs_again(gateway: &Gateway) {
    let acme = api(gateway, "acme");

    eventually("it to sign", async || (acme.ask_to_sign("a").await.status == 200).then_some(())).await;
}

fn every_intent_has_an_outcome(stage: &Stage) {
    let (mut intents, mut outcomes) = (0, 0);
    for entry in entries(&stage.data()).iter().filter(|entry| entry.text("operation") == "sign") {
        match entry.text("outcome") {
            "intent" => intents += 1,
            _ if entry.text("provider") == "hsm" => outcomes += 1,
            _ => {}
        }
    }
    assert!(intents > CLIENTS && intents == outcomes, "{intents} intents, {outcomes} outcomes");
}

/// An answer that was on its way when the child was killed proves nothing.
const GRACE: Duration = Duration::from_millis(10);
const BETWEEN_KILLS: Duration = Duration::from_millis(300);
const KILLS: usize = 2;
const CLIENTS: usize = 12;
