//! One forced write: what no audit log that is durable can do without.

use std::fs::File;
use std::io::{self, Write};

/// Appends as much as one audit entry has to `file`, and forces it to the disk (fdatasync). Blocks.
pub(crate) fn forced_append(file: &mut File) -> io::Result<()> {
    file.write_all(&[b'a'; ENTRY])?;
    file.sync_data()
}

/// About what one entry has, in bytes.
const ENTRY: usize = 400;
