//! What a verification found.

use std::fmt;
use std::path::PathBuf;

/// What a verification found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// The first entry that was read. What it follows cannot be checked unless it is entry 1.
    pub first: Option<u64>,
    /// The last entry that was read.
    pub last: Option<u64>,
    /// How many entries there are.
    pub entries: u64,
    /// How many segments they are in.
    pub segments: usize,
    /// The entry that the store knows to be durable, with which the log was compared; `None` where there was no
    /// store, so that missing last entries would not show.
    pub head: Option<u64>,
    /// Whether a line without an end follows the last entry: a gateway is writing it, or stopped while it was.
    pub is_torn: bool,
    /// The first problems.
    pub problems: Vec<Problem>,
    /// How many there are in all.
    pub problem_count: u64,
}

impl Report {
    /// Whether there is no problem.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }
}

/// Something that is wrong with the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// In which file.
    pub file: PathBuf,
    /// In which line, counted from 1; 0 where no line is to blame.
    pub line: u64,
    /// At which entry.
    pub seq: u64,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProblemKind {
    /// The line is no entry.
    NotAnEntry,
    /// The entry is not the one that its successor, or the store, knows by this number.
    Altered,
    /// The entry stands after one of a higher number.
    OutOfOrder {
        /// The higher number.
        after: u64,
    },
    /// The entry is there already.
    Repeated,
    /// Entries up to this one are missing, from [`Problem::seq`] on.
    Missing {
        /// The last one that is missing.
        to: u64,
    },
    /// The segment's name says that it begins with another entry.
    Misnamed {
        /// The entry that it begins with.
        first: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        write!(f, "{}:{}: ", self.file.display(), self.line)?;

        match &self.kind {
            ProblemKind::NotAnEntry => write!(f, "not an entry, where entry {seq} is expected"),
            ProblemKind::Altered => write!(f, "entry {seq} was altered"),
            ProblemKind::OutOfOrder { after } => write!(f, "entry {seq} stands after entry {after}"),
            ProblemKind::Repeated => write!(f, "entry {seq} appears again"),
            ProblemKind::Missing { to } if *to == seq => write!(f, "entry {seq} is missing"),
            ProblemKind::Missing { to } => write!(f, "entries {seq} to {to} are missing"),
            ProblemKind::Misnamed { first } => {
                write!(f, "the name says that entry {seq} is first, but entry {first} is")
            }
        }
    }
}
