//! The audit log, as anybody reads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry(pub(crate) Value);

impl Entry {
    /// A field that is text; empty where it is absent.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// Its place in the log.
    pub(crate) fn seq(&self) -> u64 {
        self.0["seq"].as_u64().expect("every entry has a place")
    }

    /// Whether it records that this was done.
    pub(crate) fn is(&self, operation: &str, outcome: &str) -> bool {
        self.text("operation") == operation && self.text("outcome") == outcome
    }
}

/// Every entry in the log of the data folder `data`, in order. A line that is being written is left out.
pub(crate) fn entries(data: &Path) -> Vec<Entry> {
    segments(data).iter().flat_map(|segment| segment_entries(segment)).collect()
}

/// The entries with this request id.
pub(crate) fn entry_of(data: &Path, request_id: &str) -> Vec<Entry> {
    let mut entries = entries(data);
    entries.retain(|entry| entry.text("request_id") == request_id);
    entries
}

/// The key-ids of what was destroyed, and is on record.
pub(crate) fn destroyed(data: &Path) -> BTreeSet<String> {
    let destroyed = entries(data).into_iter().filter(|entry| entry.is("destroy", "ok"));

    destroyed.map(|entry| entry.text("key_id").to_owned()).collect()
}

/// The log's files, in order.
pub(crate) fn segments(data: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(data.join("audit")).expect("an audit folder");
    let mut segments: Vec<_> = folder
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    segments.sort();
    segments
}

fn segment_entries(segment: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(segment).expect("a segment");

    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| Entry(serde_json::from_str(line).expect("every line is JSON")))
        .collect()
}
