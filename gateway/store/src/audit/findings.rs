//! What was found when a log was resumed: how it is repaired, and how that is put on record.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use keyport_core::audit::{Event, Operation, Outcome};
use keyport_core::outside::Timestamp;

use super::appender::Appender;
use super::chain::Head;
use super::folder::{Folder, SegmentName};
use super::line::{Line, Link};
use super::lines::{Lines, written};

/// What was found when the log was opened, for the start-up log. Each is an entry of the log too.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recovery {
    /// The log's last entry, before those that say what was found.
    pub last: u64,
    /// Bytes that were no entries and were cut off, as a crash leaves them.
    pub torn: Vec<Torn>,
    /// The log does not have what the store says it had.
    pub gap: Option<Gap>,
    /// The intents that were open, and are now closed as `unknown`.
    pub unknown: Vec<u64>,
}

/// Bytes that were cut off the end of a segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Torn {
    /// The segment.
    pub segment: PathBuf,
    /// How many bytes.
    pub bytes: u64,
    /// Where they were kept.
    pub kept: PathBuf,
}

/// The log does not have what the store says it had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gap {
    /// It ends before the entry that the store knows to be durable. It goes on after that one.
    Missing {
        /// The log's last entry.
        last: u64,
        /// The entry that the store knows.
        head: u64,
    },
    /// The entry that the store knows is another.
    Altered {
        /// The entry.
        seq: u64,
    },
}

/// What is yet to be recorded.
#[derive(Debug, Default)]
pub(super) struct Findings(Recovery);

impl Findings {
    /// Takes a segment without any entry out of the log.
    pub(super) fn set_aside(&mut self, folder: &Folder, segment: &SegmentName) -> io::Result<()> {
        let bytes = cut_room(segment)?;
        let kept = folder.set_aside(segment)?;

        self.0.torn.push(Torn { segment: segment.path.clone(), bytes, kept });
        Ok(())
    }

    /// Cuts off what `segment` has from byte `whole` on, where entry `seq` would be. Zeros are not worth keeping.
    pub(super) fn cut(
        &mut self,
        folder: &Folder,
        segment: &SegmentName,
        whole: u64,
        seq: u64,
    ) -> io::Result<()> {
        if cut_room(segment)? <= whole {
            return Ok(());
        }

        let mut file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
        let mut rest = Vec::new();
        file.seek(SeekFrom::Start(whole))?;
        let bytes = file.read_to_end(&mut rest)?;
        let kept = folder.keep_torn(seq, &rest)?;
        file.set_len(whole)?;
        file.sync_all()?;

        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.0.torn.push(Torn { segment: segment.path.clone(), bytes, kept });
        Ok(())
    }

    /// Cuts off what closed segments have in excess: after a failure it could not be taken back, and the segment that
    /// follows has entries of the same numbers.
    pub(super) fn cut_overlaps(&mut self, folder: &Folder, segments: &[SegmentName]) -> io::Result<()> {
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            cut_room(segment)?;
            if !may_overlap(segment, next.first)? {
                continue;
            }
            if let Some(whole) = excess(segment, next.first)? {
                self.cut(folder, segment, whole, next.first)?;
            }
        }

        Ok(())
    }

    /// Compares the log's end with what the store knows; where the log goes on. After a gap that is the store's head:
    /// the gap then shows for ever, and is healed if the missing lines are found and put back.
    pub(super) fn compare(&mut self, head: Head, saved: Option<Head>, is_altered: bool) -> Head {
        self.0.last = head.seq;
        let Some(saved) = saved else { return head };
        if head.seq < saved.seq {
            self.0.gap = Some(Gap::Missing { last: head.seq, head: saved.seq });
            return saved;
        }
        if is_altered {
            self.0.gap = Some(Gap::Altered { seq: saved.seq });
        }

        if head.seq == saved.seq { saved } else { head }
    }

    /// Appends an entry for each finding, and one for each intent that is open.
    pub(super) fn record(mut self, log: &mut Appender, now: Timestamp) -> io::Result<Recovery> {
        log.make_room()?;
        for event in self.repairs(now) {
            log.append(std::iter::once(&event))?;
        }

        let open = log.open().clone();
        for intent in open.lines() {
            self.0.unknown.push(intent.seq);
            log.append_line(Line::unknown(now, intent))?;
        }
        log.sync()?;
        Ok(self.0)
    }

    fn repairs(&self, now: Timestamp) -> impl Iterator<Item = Event> {
        let repair = move |reason, detail| Event {
            reason: Some(reason),
            detail: Some(detail),
            ..Event::new(now, Operation::Repair, Outcome::Ok)
        };
        let torn = self.0.torn.iter().map(move |torn| repair("torn", torn.to_string()));
        let gap = self.0.gap.map(|gap| match gap {
            Gap::Missing { .. } => repair("missing", gap.to_string()),
            Gap::Altered { .. } => repair("altered", gap.to_string()),
        });

        torn.chain(gap)
    }
}

/// Cuts off the zeros that a crash left after the last line of `segment`; its size then.
fn cut_room(segment: &SegmentName) -> io::Result<u64> {
    let file = File::open(&segment.path)?;
    let size = written(&file)?;
    if file.metadata()?.len() > size {
        let file = OpenOptions::new().write(true).open(&segment.path)?;
        file.set_len(size)?;
        file.sync_all()?;
    }

    Ok(size)
}

/// Whether the last line of `segment` is not the one before entry `next`, by a look at its end.
fn may_overlap(segment: &SegmentName, next: u64) -> io::Result<bool> {
    let mut file = File::open(&segment.path)?;
    let size = file.metadata()?.len();
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(size.saturating_sub(LAST_BYTES)))?;
    file.read_to_end(&mut end)?;

    let Some(lines) = end.strip_suffix(b"\n") else { return Ok(true) };
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Link::parse(last).is_none_or(|link| link.seq >= next))
}

/// Where the last entry before entry `next` ends, if an entry from `next` on or a part of one follows. A line that is
/// whole and no entry is something else, and is left for [`verify`](super::verify) to find.
fn excess(segment: &SegmentName, next: u64) -> io::Result<Option<u64>> {
    let mut lines = Lines::open(&segment.path)?;
    let (mut whole, mut has_excess) = (0, false);
    while let Some(line) = lines.next()? {
        let link = Link::parse(line.bytes);
        if line.is_complete && link.as_ref().is_some_and(|link| link.seq < next) {
            (whole, has_excess) = (line.end, false);
        } else {
            has_excess |= !line.is_complete || link.is_some();
        }
    }

    Ok(has_excess.then_some(whole))
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().display().to_string();

        write!(f, "{} bytes cut off {}, kept in {}", self.bytes, name(&self.segment), name(&self.kept))
    }
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { last, head } => {
                write!(f, "the log ended at entry {last}, but entry {head} was durable")
            }
            Self::Altered { seq } => write!(f, "entry {seq} is not the one that was durable"),
        }
    }
}

/// Enough for a line of ordinary length.
const LAST_BYTES: u64 = 64 << 10;
