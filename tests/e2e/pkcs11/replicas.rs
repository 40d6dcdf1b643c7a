//! Two connections that hold the same keys: two ways to one token, each with a process of its own.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use super::stage::{Stage, Way, api, children, usual};
use super::token::Token;
use crate::harness::load::{Load, are_signatures};
use crate::harness::{entries, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_signature_is_missed_while_either_of_two_libraries_is_killed() {
    let Some(token) = Token::new().await else { return };
    let replica = Way::straight().connection(&token).replacen("\"hsm\"", "\"hsm-2\"", 1);
    let mut sections = usual();
    sections.insert(0, replica);
    let Some(stage) = Stage::set(token, &Way::with("replicas = [\"hsm-2\"]\n"), sections) else { return };
    let gateway = stage.start().await;
    let acme = api(&gateway, "acme");
    let key = acme.create("a", "ec-p256").await;
    let load = Load::start(&acme, &key, CLIENTS);

    for _ in 0..KILLS {
        let mut before = children(&gateway);
        // The older one, and so the other one each time.
        before.sort_by_key(|child| child.as_raw_nonzero());
        kill_process(before[0], Signal::KILL).expect("it is killed");
        eventually("both processes", async || {
            let mut now = children(&gateway);
            now.sort_by_key(|child| child.as_raw_nonzero());
            (now.len() == 2 && now != before).then_some(())
        })
        .await;
        // So that the new one has found its token.
        tokio::time::sleep(BETWEEN_KILLS).await;
    }

    are_signatures(&load.end().await);
    gateway.stop().await;
    let entries = entries(&stage.data());
    let by_replica = entries.iter().filter(|entry| entry.text("detail") == "signed by replica `hsm-2`");
    assert!(by_replica.count() > 0, "the replica was never needed");
}

const KILLS: usize = 4;
const BETWEEN_KILLS: Duration = Duration::from_secs(1);
const CLIENTS: usize = 8;
