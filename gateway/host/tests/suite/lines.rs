//! Guests' lines in the log, and who writes them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{Bench, SIGNATURE, call, hostile, sign, with_setting};

/// A guest's own thread, which everybody else comes before, would keep the log's lock while it waits for its turn.
#[tokio::test]
async fn a_guests_lines_are_written_by_no_guests_thread() {
    let writers = Writers::default();
    tracing::subscriber::set_global_default(writers.clone()).unwrap();
    let bench = Bench::new();
    let speaking = bench.load(with_setting(hostile("flood-log"), "count", "3")).await;

    assert_eq!(speaking.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
    while writers.0.lock().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(writers.0.lock().unwrap().iter().all(|writer| writer == "keyport-lines"), "{writers:?}");
}

/// The names of the threads that wrote lines of guests.
#[derive(Clone, Debug, Default)]
struct Writers(Arc<Mutex<Vec<String>>>);

impl Subscriber for Writers {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "keyport::guest"
    }

    fn event(&self, _event: &Event<'_>) {
        self.0.lock().unwrap().push(std::thread::current().name().unwrap_or_default().to_owned());
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
