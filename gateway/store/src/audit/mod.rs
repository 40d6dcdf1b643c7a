//! The audit log: chained JSON lines in segment files.
//!
//! Each line is one JSON object. `seq` counts the entries from 1, and `prev` is the SHA-256 of the line before it
//! (without the newline; 64 zeros in the very first), so an edited, dropped or moved entry shows in [`verify`].
//! The store keeps the [`Head`], so missing last entries show as well.
//!
//! Lines are kept in segments, `audit-<first seq>.jsonl`. A segment opens with an entry of operation `segment`, which
//! says which entries may already be gone by retention (`oldest`) and which intents are still open (`open`), so that
//! whoever resumes need not read the segments before. One thread writes; entries that arrive together share one write
//! and one fsync.
//!
//! Zeros may follow the last line of a segment that is being written, or was when the gateway crashed: room for more,
//! reserved so that an fsync is cheap ([`Durability::Always`] only). They are no part of the log; whoever closes the
//! segment, or resumes it, cuts them off.

mod appender;
mod chain;
mod files;
mod findings;
mod folder;
mod intents;
mod line;
mod lines;
mod recovery;
mod report;
mod retention;
mod segment;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use chain::Head;
pub(crate) use files::AuditFiles;
pub use findings::{Gap, Recovery, Torn};
pub use report::{Problem, ProblemKind, Report};
pub use verify::{VerifyError, VerifyOptions, verify};

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// When an entry counts as written.
    pub durability: Durability,
    /// Whether zeros are written ahead of the entries, with [`Durability::Always`]: an fsync then costs one trip to
    /// the disk instead of two, but whoever follows the live segment reads the zeros.
    pub preallocate: bool,
    /// The size in bytes at which a segment is closed and the next one begun.
    pub segment_size: u64,
    /// How long closed segments stay.
    pub retention: Retention,
}

/// When an entry counts as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Once it is on the disk: fsync before every answer, shared by those that wait.
    Always,
    /// Once the operating system has it; fsync follows within this time. A crash of the gateway loses nothing, a
    /// crash of the machine what came since.
    Interval(Duration),
}

/// How long closed segments stay. Without any limit they stay for ever.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Entries stay at least this long; they go with their segment, within twice the time.
    pub age: Option<Duration>,
    /// Closed segments together have at most this many bytes.
    pub size: Option<u64>,
    /// Where they are moved instead of being deleted.
    pub archive: Option<PathBuf>,
}

impl Default for Options {
    /// Fsync before every answer, room reserved, segments of 64 MiB, kept for ever.
    fn default() -> Self {
        Self {
            durability: Durability::Always,
            preallocate: true,
            segment_size: 64 << 20,
            retention: Retention::default(),
        }
    }
}
