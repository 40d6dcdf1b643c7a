//! Where the socket is, and a name for it that the kernel takes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The socket's file in a data folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}

/// A name of the socket for `bind` and `connect`, which take no long ones.
#[derive(Debug)]
pub(super) struct Name {
    path: PathBuf,
    /// What a short name goes through must stay open.
    _folder: Option<File>,
}

impl Name {
    /// The name of the socket in `data`, whose folder must be there.
    pub(super) fn of(data: &Path) -> io::Result<Self> {
        let path = path(data);
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self { path, _folder: None });
        }

        let folder = File::open(data)?;
        let through = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
        Ok(Self { path: self::path(&through), _folder: Some(folder) })
    }
}

impl AsRef<Path> for Name {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Bytes of a socket's path, without the zero at its end (unix(7)).
const LONGEST: usize = 107;
