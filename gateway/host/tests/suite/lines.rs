//! Guests' lines in the log, and who writes them.

use crate::log::{lines_of, listen};
use crate::support::{Bench, SIGNATURE, call, hostile, sign, with_setting};

/// A guest's own thread, which everybody else comes before, would keep the log's lock while it waits for its turn.
#[tokio::test]
async fn a_guests_lines_are_written_by_no_guests_thread() {
    listen();
    let bench = Bench::new();
    let mut speaking = with_setting(hostile("flood-log"), "count", "3");
    speaking.name = "speaking".parse().unwrap();
    let speaking = bench.load(speaking).await;

    assert_eq!(speaking.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);

    let lines = lines_of(&bench, "speaking").await;
    assert!(lines.len() == 3 && lines.iter().all(|line| line.contains(" keyport-lines ")), "{lines:?}");
}
