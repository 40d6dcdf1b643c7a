//! Reads a log from end to end and finds what is not as it was written.

use std::io;
use std::path::{Path, PathBuf};

use super::chain::Head;
use super::folder::{SegmentName, segments};
use super::line::Link;
use super::lines::{Lines, RawLine};
use super::report::{Problem, ProblemKind, Report};
use crate::data_folder;
use crate::sqlite::read_head;

/// Where else to look, and how much to say.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// Folders to which retention moved closed segments.
    pub archives: Vec<PathBuf>,
    /// How many problems to describe; all are counted.
    pub most_problems: usize,
}

impl Default for VerifyOptions {
    /// No archives, and twenty problems.
    fn default() -> Self {
        Self { archives: Vec::new(), most_problems: 20 }
    }
}

/// Why a log could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no log.
    #[error("{0}: neither a data folder nor the audit folder of one")]
    NoLog(PathBuf),
    /// A file or folder could not be read.
    #[error("{path}: cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The database could not be read.
    #[error("{path}: cannot be read")]
    Database {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Verifies the log of `folder`: a data folder, or the audit folder in it. A gateway may be running on it.
///
/// The log is compared with the head in the data folder's database. Where that is missing, because the audit folder
/// was copied without it, [`Report::head`] says so.
pub async fn verify(folder: &Path, options: VerifyOptions) -> Result<Report, VerifyError> {
    let (audit, database) = places(folder)?;
    // First: whatever comes later has entries after it.
    let head = match database {
        None => None,
        Some(path) => {
            read_head(&path).await.map_err(|cause| VerifyError::Database { path, cause: Box::new(cause) })?
        }
    };
    let failed = {
        let path = audit.clone();
        move |cause| VerifyError::Unreadable { path, cause }
    };

    let read = tokio::task::spawn_blocking(move || verify_segments(&audit, &options, head));
    read.await.map_err(io::Error::other).and_then(std::convert::identity).map_err(failed)
}

/// The audit folder and the database that `folder` stands for.
fn places(folder: &Path) -> Result<(PathBuf, Option<PathBuf>), VerifyError> {
    let (audit, beside) = (data_folder::audit(folder), folder.parent());
    if audit.is_dir() {
        return Ok((audit, existing(data_folder::database(folder))));
    }

    let unreadable = |cause| VerifyError::Unreadable { path: folder.to_owned(), cause };
    let is_audit = segments(folder).map_err(unreadable)?.into_iter().next().is_some();
    let database = beside.map(data_folder::database).and_then(existing);
    if is_audit || database.is_some() && folder.ends_with("audit") {
        Ok((folder.to_owned(), database))
    } else {
        Err(VerifyError::NoLog(folder.to_owned()))
    }
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}

/// Verifies the segments of the folder `audit` and of the archives.
pub(super) fn verify_segments(
    audit: &Path,
    options: &VerifyOptions,
    head: Option<Head>,
) -> io::Result<Report> {
    let mut all = segments(audit)?;
    for archive in &options.archives {
        all.extend(segments(archive)?);
    }
    all.sort_by_key(|segment| segment.first);
    // One that was being moved is in both places.
    all.dedup_by_key(|segment| segment.first);

    let mut reader = Reader::new(options.most_problems, head);
    for (at, segment) in all.iter().enumerate() {
        reader.read(segment, at + 1 == all.len())?;
    }
    reader.finish(audit);
    Ok(reader.report)
}

/// Where the reading is.
struct Reader {
    report: Report,
    most_problems: usize,
    saved: Option<Head>,
    /// The entry read last, of those in order.
    head: Head,
    /// Where that is, to be named if its successor says that it is another.
    place: (PathBuf, u64),
    /// From which entry on the log must be complete, as its last segment says.
    oldest: u64,
}

impl Reader {
    fn new(most_problems: usize, saved: Option<Head>) -> Self {
        let report = Report { head: saved.map(|head| head.seq), ..Report::default() };

        Self { report, most_problems, saved, head: Head::START, place: (PathBuf::new(), 0), oldest: 1 }
    }

    fn read(&mut self, segment: &SegmentName, is_last: bool) -> io::Result<()> {
        let mut lines = match Lines::open(&segment.path) {
            // Retention removes the first segments, perhaps while they are being read: the log then begins with the
            // next. Whether it may is seen at the end.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.report.first = None;
                return Ok(());
            }
            opened => opened?,
        };
        self.report.segments += 1;

        while let Some(line) = lines.next()? {
            match Link::parse(line.bytes) {
                Some(link) if line.is_complete => self.entry(segment, line, &link),
                _ if is_last && !line.is_complete => self.report.is_torn = true,
                _ => self.note(&segment.path, line.number, self.head.next_seq(), ProblemKind::NotAnEntry),
            }
        }
        Ok(())
    }

    fn entry(&mut self, segment: &SegmentName, line: RawLine<'_>, link: &Link<'_>) {
        let found = Head::of(link.seq, line.bytes);
        self.report.entries += 1;
        if line.number == 1 && link.seq != segment.first {
            self.note(&segment.path, 1, segment.first, ProblemKind::Misnamed { first: link.seq });
        }
        if self.report.first.is_none() {
            self.report.first = Some(link.seq);
        } else if !self.follows(segment, line, link, found) {
            return;
        }
        if link.seq == 1 && !Head::START.is_named_by(&link.prev) {
            self.note(&segment.path, line.number, 1, ProblemKind::Altered);
        }
        if self.saved.is_some_and(|saved| saved.seq == found.seq && saved != found) {
            self.note(&segment.path, line.number, link.seq, ProblemKind::Altered);
        }

        self.report.last = Some(link.seq);
        self.oldest = link.oldest.unwrap_or(self.oldest);
        self.head = found;
        self.place = (segment.path.clone(), line.number);
    }

    /// Whether the entry has a higher number than the one before; what else is wrong with it is noted.
    fn follows(&mut self, segment: &SegmentName, line: RawLine<'_>, link: &Link<'_>, found: Head) -> bool {
        let expected = self.head.next_seq();
        if link.seq < expected {
            let kind = match found == self.head {
                true => ProblemKind::Repeated,
                false => ProblemKind::OutOfOrder { after: self.head.seq },
            };
            self.note(&segment.path, line.number, link.seq, kind);
            return false;
        }

        if link.seq > expected {
            let to = link.seq.saturating_sub(1);
            self.note(&segment.path, line.number, expected, ProblemKind::Missing { to });
        } else if !self.head.is_named_by(&link.prev) {
            let (file, number) = self.place.clone();
            self.note(&file, number, self.head.seq, ProblemKind::Altered);
        }
        true
    }

    /// Looks at what is missing before the first entry and after the last.
    fn finish(&mut self, audit: &Path) {
        let first = self.report.first.unwrap_or(1);
        if first > self.oldest {
            self.note(audit, 0, self.oldest, ProblemKind::Missing { to: first - 1 });
        }
        if let Some(saved) = self.saved.filter(|saved| saved.seq > self.head.seq) {
            self.note(audit, 0, self.head.next_seq(), ProblemKind::Missing { to: saved.seq });
        }
    }

    fn note(&mut self, file: &Path, line: u64, seq: u64, kind: ProblemKind) {
        self.report.problem_count += 1;
        if self.report.problems.len() < self.most_problems {
            self.report.problems.push(Problem { file: file.to_owned(), line, seq, kind });
        }
    }
}
