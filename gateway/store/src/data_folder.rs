//! The folder that holds everything a gateway keeps, taken by one process at a time.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A data folder that this process has locked until the value is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes `path`, which is made with mode 0700 where it does not exist.
    pub fn lock(path: &Path) -> Result<Self, LockError> {
        let unusable = |cause| LockError::Folder { path: path.to_owned(), cause };
        make(path).map_err(unusable)?;
        let mut lock = open_private(&path.join("lock")).map_err(unusable)?;

        match lock.try_lock() {
            Ok(()) => {
                // For people alone: what counts is the lock.
                drop(lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())));
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(TryLockError::WouldBlock) => {
                Err(LockError::Taken { path: path.to_owned(), holder: Holder::of(lock) })
            }
            Err(TryLockError::Error(cause)) => Err(unusable(cause)),
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        database(&self.path)
    }

    pub(crate) fn audit(&self) -> PathBuf {
        audit(&self.path)
    }
}

/// Where a data folder has its database.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("keyport.db")
}

/// Where a data folder has its audit log.
pub(crate) fn audit(folder: &Path) -> PathBuf {
    folder.join("audit")
}

/// Makes a folder that only its owner may enter, and what leads to it.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file for writing that only its owner may read, and makes it where it does not exist.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{path}: another process is using this data folder{holder}")]
    Taken {
        /// The folder.
        path: PathBuf,
        /// Which process.
        holder: Holder,
    },
    /// It cannot be made or opened.
    #[error("{path}: cannot be used as data folder")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// The process that has a folder, as far as it is known: its id, where it runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder(Option<u32>);

impl Holder {
    fn of(lock: File) -> Self {
        let mut text = String::new();
        let read = lock.take(LONGEST_ID).read_to_string(&mut text);

        Self(read.ok().and_then(|_| text.trim().parse().ok()))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |id| write!(f, ", process {id}"))
    }
}

/// Bytes of a process id and the end of its line.
const LONGEST_ID: u64 = 11;
