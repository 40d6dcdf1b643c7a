//! The folder that holds everything a gateway keeps, taken by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A data folder that this process has locked until the value is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes `path`, which is made with mode 0700 where it does not exist.
    pub(crate) fn lock(path: &Path) -> Result<Self, LockError> {
        make(path).map_err(LockError::Folder)?;
        let lock = open_private(&path.join("lock")).map_err(LockError::Folder)?;

        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken),
            Err(TryLockError::Error(error)) => Err(LockError::Folder(error)),
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
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it.
    Taken,
    /// It could not be made or opened.
    Folder(io::Error),
}
