//! What one forced write costs on the disk that the audit log is on.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long it takes to append as much as one audit entry to a file in `folder` and to force it to the disk
/// (fdatasync), `count` times.
pub(crate) fn forced_writes(folder: &Path, count: usize) -> Result<Vec<Duration>> {
    let path = folder.join("forced-writes");
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;

    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        file.write_all(&[b'a'; ENTRY])?;
        file.sync_data()?;
        took.push(start.elapsed());
    }

    fs::remove_file(&path)?;
    Ok(took)
}

/// About what one entry has, in bytes.
const ENTRY: usize = 400;
