//! What is wrong with a configuration file: everything at once, each with its line and how to mend it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that is wrong with one configuration file, in the order of its lines. Holds at least one mistake.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Mistakes {
    /// The file.
    pub(crate) file: PathBuf,
    /// What is wrong with it.
    pub(crate) mistakes: Vec<Mistake>,
}

/// One thing that is wrong, never with a value in it that may be a secret.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Mistake {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What to write instead.
    pub(crate) fix: String,
}

/// What is wrong with a value, before it is known on which line it stands.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) what: String,
    pub(super) fix: String,
}

/// Where something stands in a configuration file, for what only shows later. It is no part of what the file means: any
/// place equals any other.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
}

impl Place {
    pub(super) fn new(file: PathBuf, line: usize) -> Self {
        Self { file, line }
    }

    /// The mistake that is made here.
    pub(crate) fn mistake(&self, what: String, fix: String) -> Mistakes {
        Mistakes { file: self.file.clone(), mistakes: vec![Mistake { line: self.line, what, fix }] }
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl Problem {
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}: {}", self.file.display(), mistake.line, mistake.what)?;
            write!(f, "\n    {}", mistake.fix.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
