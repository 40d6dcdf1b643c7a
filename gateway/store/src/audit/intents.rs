//! The intents that no later entry has closed yet.

use std::collections::BTreeMap;

use super::line::{Line, Link};

/// Open intents, each as its line, by sequence number. They are parsed only when a segment begins or the log is
/// resumed, so that an intent on the signing path costs one copy.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenIntents(BTreeMap<u64, Box<[u8]>>);

impl OpenIntents {
    /// Takes notice of the entry `seq`, which was written as `line`.
    pub(super) fn note(&mut self, seq: u64, closes: Option<u64>, line: Option<&[u8]>) {
        if let Some(closed) = closes {
            self.0.remove(&closed);
        }
        if let Some(line) = line {
            self.0.insert(seq, line.into());
        }
    }

    /// Takes notice of an entry that was read back.
    pub(super) fn read(&mut self, link: &Link<'_>, line: &[u8]) {
        if link.is_segment() {
            self.reset(line);
        }
        self.note(link.seq, link.intent, link.is_intent().then_some(line));
    }

    /// The intents, without their `prev`.
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        let parsed = self.0.values().filter_map(|line| serde_json::from_slice::<Line<'_>>(line).ok());

        parsed.map(|line| Line { prev: None, ..line }).collect()
    }

    /// A `segment` entry lists what is open, and is right whatever was read before.
    fn reset(&mut self, segment: &[u8]) {
        let Ok(segment) = serde_json::from_slice::<Line<'_>>(segment) else { return };
        let open = segment.open.unwrap_or_default();
        let kept = |line: Line<'_>| serde_json::to_vec(&line).ok().map(|bytes| (line.seq, bytes.into()));

        self.0 = open.into_iter().filter_map(kept).collect();
    }
}
