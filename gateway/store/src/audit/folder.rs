//! The folder of segments: which there are, and how one is made.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data_folder;

/// A folder of segments.
#[derive(Clone)]
pub(super) struct Folder {
    path: PathBuf,
    create: Arc<Create>,
}

/// Makes a segment's file, which must not be there yet. A part of its own so that tests can make disks fail.
pub(super) type Create = dyn Fn(&Path) -> io::Result<File> + Send + Sync;

/// A segment's file, by name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct SegmentName {
    /// The number of its first entry.
    pub(super) first: u64,
    /// Where it is.
    pub(super) path: PathBuf,
}

impl Folder {
    /// The folder at `path`, which is made with mode 0700 where it does not exist.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::with(path, Arc::new(create_new))
    }

    /// The same, with another way of making files.
    pub(super) fn with(path: &Path, create: Arc<Create>) -> io::Result<Self> {
        data_folder::make(path)?;

        Ok(Self { path: path.to_owned(), create })
    }

    /// Its segments in order.
    pub(super) fn segments(&self) -> io::Result<Vec<SegmentName>> {
        segments(&self.path)
    }

    /// Where the segment whose first entry is `first` belongs.
    pub(super) fn segment(&self, first: u64) -> PathBuf {
        self.path.join(format!("audit-{first:012}.jsonl"))
    }

    /// Makes the file at `path`.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        (self.create)(path)
    }

    /// Makes what was created, renamed or removed here durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_folder(&self.path)
    }

    /// Keeps `bytes`, which were cut off the log before entry `seq`, in a file of their own; its path.
    pub(super) fn keep_torn(&self, seq: u64, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.torn(seq)?;
        let mut file = create_new(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.sync()?;

        Ok(path)
    }

    /// Takes a whole segment out of the log, which has no entry of its own; its new path.
    pub(super) fn set_aside(&self, segment: &SegmentName) -> io::Result<PathBuf> {
        let path = self.torn(segment.first)?;
        fs::rename(&segment.path, &path)?;
        self.sync()?;

        Ok(path)
    }

    /// A path for what was cut off before entry `seq`.
    fn torn(&self, seq: u64) -> io::Result<PathBuf> {
        let paths = (0..1000).map(|copy| match copy {
            0 => self.path.join(format!("torn-{seq:012}.bin")),
            _ => self.path.join(format!("torn-{seq:012}-{copy}.bin")),
        });
        for path in paths {
            if !path.try_exists()? {
                return Ok(path);
            }
        }

        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The segments of the folder at `path`, in order.
pub(super) fn segments(path: &Path) -> io::Result<Vec<SegmentName>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if let Some(first) = first_entry(&path) {
            segments.push(SegmentName { first, path });
        }
    }
    segments.sort();

    Ok(segments)
}

/// Makes what was created, renamed or removed in the folder at `path` durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a file that only its owner may read.
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn first_entry(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_prefix("audit-")?.strip_suffix(".jsonl")?;

    (digits.len() >= 12 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}
