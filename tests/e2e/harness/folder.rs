//! Folders and what is in them.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Copies the folder `from`, and everything in it but sockets, to `to`, which must not be there.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("its type");
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if !kind.is_socket() {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
