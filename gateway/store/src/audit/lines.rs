//! Reads a segment line by line, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Lines {
    file: BufReader<File>,
    buffer: Vec<u8>,
    number: u64,
    end: u64,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawLine<'a> {
    /// Without the newline.
    pub(super) bytes: &'a [u8],
    /// Whether a newline ended it.
    pub(super) is_complete: bool,
    /// Counts from 1.
    pub(super) number: u64,
    /// Where in the file the next one starts.
    pub(super) end: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::new(File::open(path)?))
    }

    pub(super) fn new(file: File) -> Self {
        Self { file: BufReader::with_capacity(READ_AT_ONCE, file), buffer: Vec::new(), number: 0, end: 0 }
    }

    /// The next line; `None` at the end. Longer lines than the gateway ever writes come in pieces, each a line.
    pub(super) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.buffer.clear();
        let length = (&mut self.file).take(LONGEST_LINE).read_until(b'\n', &mut self.buffer)?;
        if length == 0 {
            return Ok(None);
        }

        self.end = self.end.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.number = self.number.saturating_add(1);
        let (bytes, is_complete) = match self.buffer.strip_suffix(b"\n") {
            Some(bytes) => (bytes, true),
            None => (self.buffer.as_slice(), false),
        };
        Ok(Some(RawLine { bytes, is_complete, number: self.number, end: self.end }))
    }
}

const READ_AT_ONCE: usize = 256 << 10;

/// In bytes. Only a `segment` entry with tens of thousands of open intents comes near it.
const LONGEST_LINE: u64 = 16 << 20;
