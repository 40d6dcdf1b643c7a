//! The segment that is being written.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::folder::{Folder, SegmentName};

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    /// How much of it was written, without the zeros of [`Segment::reserve`].
    size: u64,
    /// How much of that is on the disk.
    durable: u64,
    /// Beyond this, more room is to be reserved.
    reserved: u64,
    /// When it was made or resumed.
    pub(super) since: Instant,
}

impl Segment {
    /// Makes the segment whose first entry is `first`, with `bytes` in it, on the disk. Nothing is left of it where
    /// that fails, if that can be helped.
    pub(super) fn create(folder: &Folder, first: u64, bytes: &[u8], now: Instant) -> io::Result<Self> {
        let path = folder.segment(first);
        let file = match folder.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Of an earlier attempt, which could not be taken back either: nothing in it was acknowledged.
                folder.set_aside(&SegmentName { first, path: path.clone() })?;
                folder.create(&path)?
            }
            done => done?,
        };
        let mut segment = Self { file, path, size: 0, durable: 0, reserved: 0, since: now };

        match segment.write(bytes).and_then(|()| segment.sync()).and_then(|()| folder.sync()) {
            Ok(()) => Ok(segment),
            Err(error) => {
                segment.durable = 0;
                segment.abandon();
                Err(error)
            }
        }
    }

    /// Opens the segment at `path` again, of which everything must be whole; it is put on the disk first.
    pub(super) fn resume(path: &Path, now: Instant) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.sync_all()?;
        let size = file.metadata()?.len();

        Ok(Self { file, path: path.to_owned(), size, durable: size, reserved: size, since: now })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.size)?;
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));

        Ok(())
    }

    /// Sees to it that zeros follow what was written, up to `most` bytes in all. What overwrites them changes neither
    /// the file's size nor where its blocks are, so an fsync of it needs one write of the disk, and none of the file
    /// system's journal. Where there is no room for zeros there may still be some for entries, so that is no failure.
    pub(super) fn reserve(&mut self, most: u64) {
        if self.size <= self.reserved {
            return;
        }
        self.reserved = self.size.saturating_add(AHEAD);

        let zeros = self.reserved.min(most).saturating_sub(self.size);
        let zeros = vec![0; usize::try_from(zeros).unwrap_or_default()];
        if let Err(error) = self.file.write_all_at(&zeros, self.size) {
            tracing::warn!(path = %self.path.display(), %error, "the disk has hardly any room for audit entries");
            // Without an fsync, whose failure would be lost on the one that the entries wait for.
            if let Err(error) = self.file.set_len(self.size) {
                tracing::warn!(path = %self.path.display(), %error, "what was reserved stays reserved");
            }
        }
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.durable = self.size;

        Ok(())
    }

    /// Closes the segment in order, after a sync, and cuts off the zeros. Where that fails they do no harm, and the
    /// next start does it.
    pub(super) fn close(self) {
        let cut = self.file.metadata().and_then(|facts| match facts.len() > self.size {
            true => self.file.set_len(self.size).and_then(|()| self.file.sync_all()),
            false => Ok(()),
        });

        if let Err(error) = cut {
            tracing::warn!(path = %self.path.display(), %error, "room in an audit segment was not given back");
        }
    }

    /// Closes the segment for good after a failure, and takes back what is not known to be on the disk. Where that
    /// fails too, the next start finds it by the number of the segment that follows.
    pub(super) fn abandon(self) {
        let undone = match self.durable {
            0 => fs::remove_file(&self.path),
            durable => self.file.set_len(durable).and_then(|()| self.file.sync_all()),
        };

        if let Err(error) = undone {
            tracing::warn!(path = %self.path.display(), %error, "what an audit segment has in excess is still there");
        }
    }
}

/// For how many bytes room is reserved at a time: a thousand entries.
const AHEAD: u64 = 512 << 10;
