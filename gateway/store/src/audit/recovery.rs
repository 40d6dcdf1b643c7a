//! Resumes a log: finds its end, and has repaired what a crash left.

use std::io;
use std::time::Instant;

use super::appender::End;
use super::chain::Head;
use super::findings::Findings;
use super::folder::{Folder, SegmentName};
use super::intents::OpenIntents;
use super::line::Link;
use super::lines::Lines;
use super::segment::Segment;

/// Finds the end of the log in `folder`, and cuts off what is no part of it.
pub(super) fn resume(folder: &Folder, saved: Option<Head>, now: Instant) -> io::Result<(End, Findings)> {
    let mut findings = Findings::default();
    let mut segments = folder.segments()?;
    findings.cut_overlaps(folder, &segments)?;

    let mut state = State::default();
    while let Some(last) = segments.last() {
        state = State::read(&segments, saved)?;
        if state.whole > 0 {
            break;
        }
        findings.set_aside(folder, last)?;
        segments.pop();
    }
    let Some(last) = segments.last() else {
        let head = findings.compare(Head::START, saved, false);
        return Ok((End { segment: None, head, open: OpenIntents::default(), oldest: 1 }, findings));
    };

    findings.cut(folder, last, state.whole, state.head.next_seq())?;
    let head = findings.compare(state.head, saved, state.is_altered);
    let segment = Some(Segment::resume(&last.path, now)?);
    Ok((End { segment, head, open: state.open, oldest: state.oldest }, findings))
}

/// What the last segments say.
#[derive(Debug)]
struct State {
    /// The last entry.
    head: Head,
    /// Where the last segment's last entry ends; 0 where it has none.
    whole: u64,
    open: OpenIntents,
    oldest: u64,
    /// Whether the entry that the store knows is another.
    is_altered: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { head: Head::START, whole: 0, open: OpenIntents::default(), oldest: 1, is_altered: false }
    }
}

impl State {
    /// Reads the segments from the last one on that says what came before it.
    fn read(segments: &[SegmentName], saved: Option<Head>) -> io::Result<Self> {
        let mut from = segments.len().saturating_sub(1);
        while from > 0 && !segments.get(from).map_or(Ok(true), says_what_came_before)? {
            from -= 1;
        }

        let mut state = Self::default();
        for (at, segment) in segments.iter().enumerate().skip(from) {
            state.whole = 0;
            state.read_segment(segment, saved, at == from)?;
        }
        Ok(state)
    }

    /// Reads on. After the entry that the store knows, the first line that does not follow ends the log: the disk
    /// may have written later blocks before earlier ones, and nothing of it was acknowledged. Before that entry such
    /// a line is left as it is, for [`verify`](super::verify) to find.
    fn read_segment(&mut self, segment: &SegmentName, saved: Option<Head>, is_first: bool) -> io::Result<()> {
        let mut lines = Lines::open(&segment.path)?;
        let mut follows_any = is_first;

        while let Some(line) = lines.next()? {
            let link = Link::parse(line.bytes).filter(|_| line.is_complete);
            let follows = link.as_ref().is_some_and(|link| {
                follows_any || link.seq == self.head.next_seq() && self.head.is_named_by(&link.prev)
            });
            if !follows && saved.is_some_and(|saved| self.head.seq >= saved.seq) {
                return Ok(());
            }

            if let Some(link) = link {
                self.take(&link, line.bytes, saved);
                self.whole = line.end;
                follows_any = false;
            }
        }
        Ok(())
    }

    fn take(&mut self, link: &Link<'_>, line: &[u8], saved: Option<Head>) {
        self.head = Head::of(link.seq, line);
        self.open.read(link, line);
        self.oldest = link.oldest.unwrap_or(self.oldest);
        self.is_altered |= saved.is_some_and(|saved| saved.seq == link.seq && saved != self.head);
    }
}

/// Whether a segment has the entry that lists what is open, which is its first but after a failure of the one before.
fn says_what_came_before(segment: &SegmentName) -> io::Result<bool> {
    let mut lines = Lines::open(&segment.path)?;
    while let Some(line) = lines.next()? {
        if line.is_complete && Link::parse(line.bytes).is_some_and(|link| link.is_segment()) {
            return Ok(true);
        }
    }

    Ok(false)
}
