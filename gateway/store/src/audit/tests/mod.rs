//! The log's promises.

mod disk;
mod lines;
mod recovery;
mod room;
mod tampering;
mod writing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use keyport_core::audit::{AuditLog, Event, Operation, Outcome};
use keyport_core::outside::{Clock, Task, Timestamp};
use tempfile::TempDir;

use super::chain::Head;
use super::files::AuditFiles;
use super::folder::{Create, Folder, segments};
use super::report::Report;
use super::verify::{VerifyOptions, verify_segments};
use super::{Options, Recovery};

/// A folder with a log.
struct Log(TempDir);

impl Log {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A log that was written with these options, had `entries` appended one by one, and was closed.
    async fn with(options: Options, entries: usize) -> (Self, Head) {
        let log = Self::new();
        let (files, _) = log.open(options, None);
        for _ in 0..entries {
            files.append(event()).await.unwrap();
        }
        files.close();

        (log, files.durable())
    }

    fn open(&self, options: Options, saved: Option<Head>) -> (AuditFiles, Recovery) {
        AuditFiles::open(self.0.path(), options, Arc::new(SystemClock), saved).unwrap()
    }

    /// Opens a log whose segments are made by `create`.
    fn open_on(&self, options: Options, create: Arc<Create>) -> AuditFiles {
        let folder = Folder::with(self.0.path(), create).unwrap();

        AuditFiles::open_in(folder, options, Arc::new(SystemClock), None).unwrap().0
    }

    /// The paths of the segments.
    fn segments(&self) -> Vec<PathBuf> {
        segments(self.0.path()).unwrap().into_iter().map(|segment| segment.path).collect()
    }

    /// The lines of all segments.
    fn lines(&self) -> Vec<serde_json::Value> {
        let texts = self.segments().into_iter().map(|path| text(&path));

        texts
            .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
            .collect()
    }

    fn verify(&self, saved: Option<Head>) -> Report {
        verify_segments(self.0.path(), &VerifyOptions::default(), saved).unwrap()
    }

    /// A copy as a crash at this moment would leave it.
    fn copy(&self) -> Self {
        let copy = Self::new();
        for entry in fs::read_dir(self.0.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.0.path().join(entry.file_name())).unwrap();
        }

        copy
    }
}

/// What was written to a segment, without the room that is reserved after it.
fn text(segment: &Path) -> String {
    fs::read_to_string(segment).unwrap().trim_end_matches('\0').to_owned()
}

fn event() -> Event {
    Event::new(Timestamp(1_792_000_000_123), Operation::Sign, Outcome::Ok)
}

fn intent() -> Event {
    Event {
        tenant: Some("acme".parse().unwrap()),
        request_id: Some("r-1".parse().unwrap()),
        ..Event::new(Timestamp(1_792_000_000_123), Operation::Sign, Outcome::Intent)
    }
}

/// Small segments: a few entries each.
fn small() -> Options {
    Options { segment_size: 1000, ..Options::default() }
}

#[derive(Debug)]
struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        std::time::SystemTime::now().into()
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}
