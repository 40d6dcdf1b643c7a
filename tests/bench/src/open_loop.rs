//! Load at a rate of its own, whatever the server does: a round trip begins when its request was due, so that a server
//! that stalls cannot hide it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::{Client, Target};
use crate::load::Workload;

/// What one run showed.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Round trips of answers with status 200, sorted.
    pub(crate) round_trips: Vec<Duration>,
    /// Answers with another status.
    pub(crate) refused: usize,
}

impl Seen {
    /// Counts an answer with this status to a request of `begun`.
    pub(crate) fn add(&mut self, status: u16, begun: Instant) {
        match status {
            200 => self.round_trips.push(begun.elapsed()),
            _ => self.refused += 1,
        }
    }

    /// Counts what another saw, too.
    pub(crate) fn extend(&mut self, other: Self) {
        self.round_trips.extend(other.round_trips);
        self.refused += other.refused;
    }
}

/// Sends `rate` requests a second for `time`, over `connections` connections in turn.
pub(crate) async fn send(
    target: &Arc<Target>,
    workload: &Arc<Workload>,
    (rate, connections): (f64, usize),
    time: Duration,
) -> Result<Seen> {
    let mut senders = JoinSet::new();
    let mut lanes = Vec::new();
    for _ in 0..connections {
        let (due, dues) = mpsc::unbounded_channel();
        lanes.push(due);
        senders.spawn(sender(Client::connect(target).await?, Arc::clone(workload), dues));
    }
    let pace = std::thread::Builder::new().name("pace".to_owned());
    let pace = pace.spawn(move || keep_pace(&lanes, rate, time)).context("no thread")?;

    let mut seen = Seen::default();
    while let Some(sent) = senders.join_next().await {
        seen.extend(sent??);
    }
    drop(pace.join());
    seen.round_trips.sort_unstable();
    Ok(seen)
}

/// Says when each request is due, at that moment. A thread of its own, because a runtime's timer counts milliseconds.
fn keep_pace(lanes: &[mpsc::UnboundedSender<(usize, Instant)>], rate: f64, time: Duration) {
    let start = Instant::now();
    for number in 0_usize.. {
        let due = start + Duration::from_secs_f64(number as f64 / rate);
        if due >= start + time {
            return;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if lanes[number % lanes.len()].send((number, due)).is_err() {
            return;
        }
    }
}

async fn sender(
    mut client: Client,
    workload: Arc<Workload>,
    mut dues: mpsc::UnboundedReceiver<(usize, Instant)>,
) -> Result<Seen> {
    let mut seen = Seen::default();
    while let Some((number, due)) = dues.recv().await {
        seen.add(client.exchange(workload.request(number)).await?.status, due);
    }
    Ok(seen)
}
