//! Reads a segment line by line, in bounded memory, as far as it was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The lines of a file, without the zeros that follow them, which are room for more.
#[derive(Debug)]
pub(super) struct Lines {
    file: BufReader<Take<File>>,
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
        let file = File::open(path)?;
        // Known before anything is read: the zeros that a reader found where a gateway is writing would otherwise be
        // followed by the middle of a line that was not there yet.
        let written = written(&file)?;
        let file = BufReader::with_capacity(READ_AT_ONCE, file.take(written));

        Ok(Self { file, buffer: Vec::new(), number: 0, end: 0 })
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

/// How much of `file` was written, without the zeros that follow.
pub(super) fn written(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut buffer = vec![0; LOOK_AT_ONCE];
    while end > 0 {
        let start = end.saturating_sub(u64::try_from(LOOK_AT_ONCE).unwrap_or(u64::MAX));
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(LOOK_AT_ONCE);
        let part = buffer.get_mut(..length).unwrap_or_default();
        match file.read_exact_at(part, start) {
            // It became shorter: whoever closed it cut the zeros off.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                end = end.min(file.metadata()?.len());
                continue;
            }
            read => read?,
        }

        if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
            return Ok(start.saturating_add(u64::try_from(last).unwrap_or(u64::MAX)).saturating_add(1));
        }
        end = start;
    }

    Ok(0)
}

const READ_AT_ONCE: usize = 256 << 10;

const LOOK_AT_ONCE: usize = 64 << 10;

/// In bytes. Only a `segment` entry with tens of thousands of open intents comes near it.
const LONGEST_LINE: u64 = 16 << 20;
