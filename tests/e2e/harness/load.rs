//! Signatures that are asked for all the while, and what came of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::api::{Api, is_by};

/// Clients of one key, until they are told to stop.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Seen>>>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When it was asked for.
    pub(crate) asked: Instant,
    /// When it came.
    pub(crate) answered: Instant,
    pub(crate) status: u16,
    /// Whether it said when to come back.
    pub(crate) says_when: bool,
}

impl Load {
    /// So many clients that sign with `key`. A signature that is wrong ends the test.
    pub(crate) fn start(api: &Api, key: &Value, clients: usize) -> Self {
        let over = Arc::<AtomicBool>::default();
        let clients = (0..clients).map(|_| tokio::spawn(sign(api.another(), key.clone(), Arc::clone(&over))));

        Self { clients: clients.collect(), over }
    }

    /// Everything that was answered; every request was.
    pub(crate) async fn end(self) -> Vec<Seen> {
        self.over.store(true, Ordering::Relaxed);

        let mut seen = Vec::new();
        for client in self.clients {
            seen.extend(client.await.expect("every answer is right"));
        }
        seen
    }
}

async fn sign(api: Api, key: Value, over: Arc<AtomicBool>) -> Vec<Seen> {
    let name = key["name"].as_str().expect("a name").to_owned();
    let mut seen = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = api.ask_to_sign(&name).await;
        let answered = Instant::now();
        assert!(answer.status != 200 || is_by(&key, &answer), "a wrong signature was given out");
        let says_when = answer.header("retry-after").is_some();
        seen.push(Seen { asked, answered, status: answer.status, says_when });
        if answer.status != 200 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    seen
}

/// Every answer is a signature, or a 503 that says when to come back.
#[track_caller]
pub(crate) fn are_signatures_or_unavailable(seen: &[Seen]) {
    for seen in seen {
        assert!(seen.status == 200 || (seen.status == 503 && seen.says_when), "{seen:?}");
    }
}

/// Every answer is a signature.
#[track_caller]
pub(crate) fn are_signatures(seen: &[Seen]) {
    let other: Vec<_> = seen.iter().filter(|seen| seen.status != 200).collect();

    assert!(!seen.is_empty() && other.is_empty(), "{other:#?}");
}

const PAUSE: Duration = Duration::from_millis(5);
