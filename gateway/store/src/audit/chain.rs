//! What ties one entry to the one before it.

use std::borrow::Cow;
use std::io;

use aws_lc_rs::digest::{SHA256, digest};

use super::line::Line;

/// An entry's place in the chain: its sequence number and the SHA-256 of its line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The sequence number; 0 before the first entry.
    pub seq: u64,
    /// The SHA-256 of the line without its newline; zeros before the first entry.
    pub hash: [u8; 32],
}

impl Head {
    /// Before the first entry.
    pub const START: Self = Self { seq: 0, hash: [0; 32] };

    /// The place of the entry `line` (without its newline) whose number is `seq`.
    pub(super) fn of(seq: u64, line: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, line).as_ref());

        Self { seq, hash }
    }

    /// The number of the entry that follows.
    pub(super) fn next_seq(&self) -> u64 {
        self.seq.saturating_add(1)
    }

    /// Whether `prev`, as an entry has it, names this one.
    pub(super) fn is_named_by(&self, prev: &str) -> bool {
        let mut digits = [0; 64];

        hex::encode_to_slice(self.hash, &mut digits).is_ok() && digits == *prev.as_bytes()
    }

    /// Writes `line`, newline included, as the entry that follows. Its `seq` and `prev` are set here.
    pub(super) fn append(&self, line: Line<'_>, bytes: &mut Vec<u8>) -> io::Result<Self> {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.hash, &mut digits).map_err(io::Error::other)?;
        let prev = std::str::from_utf8(&digits).map_err(io::Error::other)?;

        let (seq, start) = (self.next_seq(), bytes.len());
        serde_json::to_writer(&mut *bytes, &Line { seq, prev: Some(Cow::Borrowed(prev)), ..line })?;
        let head = Self::of(seq, bytes.get(start..).unwrap_or_default());
        bytes.push(b'\n');

        Ok(head)
    }
}
