//! Writes entries to segments, and knows what is on the disk.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use keyport_core::audit::{Event, Outcome};
use keyport_core::outside::Clock;

use super::chain::Head;
use super::folder::Folder;
use super::intents::OpenIntents;
use super::line::{Line, Words};
use super::segment::Segment;
use super::{Durability, Options};

/// The end of the log. It never has a segment of which a write or an fsync failed: that one is closed for good, and
/// the next attempt begins another, which goes on where the last acknowledged entry was.
#[derive(Debug)]
pub(super) struct Appender {
    folder: Folder,
    options: Options,
    clock: Arc<dyn Clock>,
    segment: Option<Segment>,
    /// Up to which size the segment reserves room.
    room: u64,
    /// The last acknowledged entry.
    written: Head,
    /// The last entry on the disk.
    durable: Head,
    /// The lines between the two, for the segment that follows if this one fails before they are on the disk.
    unsynced: Unsynced,
    open: OpenIntents,
    /// The first entry that retention has not removed.
    oldest: u64,
    words: Words,
    bytes: Vec<u8>,
    lines: Vec<Range<usize>>,
}

/// Where the log goes on.
#[derive(Debug)]
pub(super) struct End {
    pub(super) segment: Option<Segment>,
    pub(super) head: Head,
    pub(super) open: OpenIntents,
    pub(super) oldest: u64,
}

#[derive(Debug, Default)]
struct Unsynced {
    bytes: Vec<u8>,
    since: Option<Instant>,
}

impl Appender {
    pub(super) fn new(folder: Folder, options: Options, clock: Arc<dyn Clock>, end: End) -> Self {
        Self {
            folder,
            clock,
            segment: end.segment,
            room: room(&options),
            written: end.head,
            durable: end.head,
            unsynced: Unsynced::default(),
            open: end.open,
            oldest: end.oldest,
            words: Words::default(),
            bytes: Vec::new(),
            lines: Vec::new(),
            options,
        }
    }

    /// Appends `events`, all or none, and returns the number of the first.
    pub(super) fn append<'e>(&mut self, events: impl Iterator<Item = &'e Event> + Clone) -> io::Result<u64> {
        self.make_room()?;
        let first = self.written.next_seq();
        let head = self.render(events.clone())?;
        self.commit(head)?;

        for ((event, line), seq) in events.zip(&self.lines).zip(first..) {
            let is_intent = event.outcome == Outcome::Intent;
            let bytes = if is_intent { self.bytes.get(line.clone()) } else { None };
            self.open.note(seq, event.intent, bytes);
        }
        Ok(first)
    }

    /// Appends one entry of the log's own.
    pub(super) fn append_line(&mut self, line: Line<'_>) -> io::Result<()> {
        self.make_room()?;
        let closes = line.intent;
        self.bytes.clear();
        let head = self.written.append(line, &mut self.bytes)?;
        self.commit(head)?;
        self.open.note(head.seq, closes, None);

        Ok(())
    }

    /// Puts on the disk what is not there yet.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        if self.durable == self.written {
            return Ok(());
        }

        let done = segment.sync();
        if done.is_ok() {
            self.all_is_durable();
        }
        self.or_give_up(done)
    }

    /// Sees to it that there is a segment that takes more: the next one where the last failed, is full, or is older
    /// than entries are to be kept.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        match &self.segment {
            Some(segment) if !self.is_full(segment) => return Ok(()),
            Some(_) => {
                self.close()?;
                let now = self.clock.wall();
                let oldest = self.options.retention.oldest(&self.folder, self.oldest, now)?;
                self.oldest = oldest.min(self.written.next_seq());
            }
            None => {}
        }
        self.begin_segment()?;

        // Only now is it on record that they may be missing.
        if let Err(error) = self.options.retention.remove(&self.folder, self.oldest) {
            tracing::warn!(%error, "closed audit segments could not be removed yet");
        }
        Ok(())
    }

    /// Puts everything on the disk and closes the segment.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.sync()?;
        if let Some(segment) = self.segment.take() {
            segment.close();
        }
        self.room = room(&self.options);

        Ok(())
    }

    /// The last entry on the disk.
    pub(super) fn durable(&self) -> Head {
        self.durable
    }

    /// When entries that were acknowledged must be on the disk; `None` where they are.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        match self.options.durability {
            Durability::Always => None,
            Durability::Interval(interval) => self.unsynced.since.map(|since| since + interval),
        }
    }

    /// Whether entries are put on the disk before they are acknowledged.
    pub(super) fn syncs_always(&self) -> bool {
        self.options.durability == Durability::Always
    }

    /// Whether an fsync is due at `now`.
    pub(super) fn must_sync(&self, now: Instant) -> bool {
        self.unsynced.bytes.len() > UNSYNCED_MOST || self.sync_due().is_some_and(|due| due <= now)
    }

    /// The intents that are open.
    pub(super) fn open(&self) -> &OpenIntents {
        &self.open
    }

    fn is_full(&self, segment: &Segment) -> bool {
        let age = self.clock.now().saturating_duration_since(segment.since);

        segment.size() >= self.options.segment_size
            || self.options.retention.age.is_some_and(|most| age > most)
    }

    /// Begins a segment with the entries that the one before did not bring to the disk, if any, and one of its own.
    fn begin_segment(&mut self) -> io::Result<()> {
        self.bytes.clear();
        self.bytes.extend_from_slice(&self.unsynced.bytes);
        let entry = Line::segment(self.clock.wall(), self.oldest, self.open.lines());
        let head = self.written.append(entry, &mut self.bytes)?;

        let first = self.durable.next_seq();
        self.segment = Some(Segment::create(&self.folder, first, &self.bytes, self.clock.now())?);
        self.written = head;
        self.all_is_durable();
        Ok(())
    }

    /// Writes the lines of `events` to `bytes`; what will then be the end of the log.
    fn render<'e>(&mut self, events: impl Iterator<Item = &'e Event>) -> io::Result<Head> {
        self.bytes.clear();
        self.lines.clear();
        let mut head = self.written;
        for event in events {
            let start = self.bytes.len();
            self.words.take(event).map_err(io::Error::other)?;
            head = head.append(Line::of(event, &self.words), &mut self.bytes)?;
            self.lines.push(start..self.bytes.len().saturating_sub(1));
        }

        Ok(head)
    }

    /// Writes `bytes`, whose last entry is `head`.
    fn commit(&mut self, head: Head) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Err(io::ErrorKind::NotFound.into()) };
        let done = segment.write(&self.bytes);
        self.or_give_up(done)?;

        if self.syncs_always() {
            let done = self.segment.as_mut().map_or(Ok(()), |segment| {
                segment.reserve(self.room);
                segment.sync()
            });
            self.or_give_up(done)?;
            self.written = head;
            self.all_is_durable();
        } else {
            self.written = head;
            self.unsynced.bytes.extend_from_slice(&self.bytes);
            self.unsynced.since.get_or_insert_with(|| self.clock.now());
        }
        Ok(())
    }

    /// Closes the segment for good where something failed: what the disk has of it beyond the last fsync is unknown,
    /// and asking again may be answered with success for pages that were dropped.
    fn or_give_up(&mut self, done: io::Result<()>) -> io::Result<()> {
        if done.is_err()
            && let Some(segment) = self.segment.take()
        {
            segment.abandon();
            // The zeros may be why: some disks find out only at the fsync that they are full.
            self.room = 0;
        }

        done
    }

    fn all_is_durable(&mut self) {
        self.durable = self.written;
        self.unsynced.bytes.clear();
        self.unsynced.since = None;
    }
}

/// Up to which size segments reserve room. Without an fsync before every answer it would spare little, and a log
/// without zeros can be followed by others as it grows.
fn room(options: &Options) -> u64 {
    match options.durability {
        Durability::Always if options.preallocate => options.segment_size,
        Durability::Always | Durability::Interval(_) => 0,
    }
}

/// How many bytes of acknowledged entries may be off the disk.
const UNSYNCED_MOST: usize = 8 << 20;
