//! How the audit log is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mistake::Problem;
use super::section::Section;
use super::value::{duration, one, path, size, truth};

/// `[audit]`: how the audit log is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Audit {
    /// `sync` and `interval`: when an entry is forced to the disk.
    pub(crate) sync: Sync,
    /// `preallocate`: whether room for entries is reserved with zeros, so that forcing one to the disk takes half the
    /// time. Turn it off to follow the live file, with `tail -f` or a log shipper: they would read the zeros.
    pub(crate) preallocate: bool,
    /// `segment-size`: bytes after which a new file is begun.
    pub(crate) segment_size: usize,
    /// `retention`: how long closed files are kept; for ever without it.
    pub(crate) retention: Option<Duration>,
    /// `archive`: where files go when their retention ends, instead of being deleted.
    pub(crate) archive: Option<PathBuf>,
}

/// When an entry is forced to the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sync {
    /// `"always"`: before the answer leaves.
    Always,
    /// `"interval"`: written before the answer leaves and forced to the disk this often (`interval`), so that a
    /// crash of the machine may lose what came since.
    Interval(Duration),
}

impl Audit {
    pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Self {
        let default = Self::default();
        let interval = section.optional("interval", duration);
        let kinds = [Sync::Always, Sync::Interval(interval.unwrap_or(INTERVAL))];
        let sync = section.optional("sync", one("a way to sync", &kinds, Sync::name));
        if section.has("interval") && (sync == Some(Sync::Always) || !section.has("sync")) {
            section.mistake_at(
                "interval",
                Problem::new("`interval` has no meaning here", "add sync = \"interval\", or remove it"),
            );
        }

        let audit = Self {
            sync: sync.unwrap_or(default.sync),
            preallocate: section.or("preallocate", default.preallocate, truth),
            segment_size: section.or("segment-size", default.segment_size, size),
            retention: section.optional("retention", duration),
            archive: section.optional("archive", path(folder)),
        };
        section.end();
        audit
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { sync: Sync::Always, preallocate: true, segment_size: 64 << 20, retention: None, archive: None }
    }
}

impl Sync {
    fn name(&self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Interval(_) => "interval",
        }
    }
}

const INTERVAL: Duration = Duration::from_millis(100);
