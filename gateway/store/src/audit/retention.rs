//! Which segments stay, and where the others go.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use keyport_core::outside::Timestamp;

use super::Retention;
use super::folder::{Folder, SegmentName, sync_folder};
use crate::data_folder;

impl Retention {
    /// The first entry that stays, of those from `oldest` on. What is kept only moves on by what is decided here, so
    /// a segment that somebody else removed is still missed.
    pub(super) fn oldest(&self, folder: &Folder, oldest: u64, now: Timestamp) -> io::Result<u64> {
        if self.age.is_none() && self.size.is_none() {
            return Ok(oldest);
        }

        let mut segments = folder.segments()?;
        segments.retain(|segment| segment.first >= oldest);
        let mut size = 0_u64;
        let mut kept = None;
        for segment in segments.into_iter().rev() {
            let facts = fs::metadata(&segment.path)?;
            size = size.saturating_add(facts.len());
            if self.is_over(size, facts.modified()?.into(), now) {
                // This one goes, and all before it; without a later one, the segment about to begin is the first.
                return Ok(kept.unwrap_or(u64::MAX));
            }
            kept = Some(segment.first);
        }

        Ok(oldest)
    }

    fn is_over(&self, size: u64, last_written: Timestamp, now: Timestamp) -> bool {
        self.size.is_some_and(|most| size > most) || self.age.is_some_and(|age| last_written.plus(age) < now)
    }

    /// Removes what is before entry `oldest`, to the archive if there is one. What cannot be removed stays until
    /// the next time.
    pub(super) fn remove(&self, folder: &Folder, oldest: u64) -> io::Result<()> {
        for segment in folder.segments()?.into_iter().take_while(|segment| segment.first < oldest) {
            match &self.archive {
                Some(archive) => move_to(archive, &segment)?,
                None => fs::remove_file(&segment.path)?,
            }
        }

        folder.sync()
    }
}

/// Moves a segment, to another file system if need be. It is never in neither place.
fn move_to(archive: &Path, segment: &SegmentName) -> io::Result<()> {
    let Some(name) = segment.path.file_name() else { return Ok(()) };
    data_folder::make(archive)?;
    let target = archive.join(name);

    match fs::rename(&segment.path, &target) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let partial = target.with_extension("partial");
            fs::copy(&segment.path, &partial)?;
            File::open(&partial)?.sync_all()?;
            fs::rename(&partial, &target)?;
            sync_folder(archive)?;
            fs::remove_file(&segment.path)
        }
        done => done.and_then(|()| sync_folder(archive)),
    }
}
