//! A case, and how it ends.

use std::fmt::{Debug, Display};
use std::pin::Pin;
use std::time::Duration;

use keyport_core::{Error, Failure};

use super::subject::Kit;
use crate::assemble::stage::Inspection;
use crate::report::{self, Difference, Outcome};

/// One promise, and how it is tried.
#[derive(Debug)]
pub(crate) struct Case {
    /// It never changes, so that it can be named in scripts.
    pub(crate) name: &'static str,
    /// What is promised.
    pub(crate) promise: &'static str,
    pub(super) run: Run,
}

/// How a promise is tried.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    /// By calling the component.
    Call(for<'a> fn(&'a Kit) -> Pin<Box<dyn Future<Output = Verdict> + 'a>>),
    /// By looking at the component, loaded or not.
    Look(fn(&Inspection) -> Verdict),
    /// By reading what it said when it was loaded.
    Read(fn(&Kit) -> Verdict),
}

/// How a case ends.
pub(super) type Verdict = Result<(), Broken>;

/// Why a promise is not said to be kept.
#[derive(Debug)]
pub(super) enum Broken {
    /// It need not be kept.
    Advised(Difference),
    /// It is broken.
    Failed(Difference),
    /// It cannot be tried, for this reason.
    Skipped(String),
}

/// Declares the cases of one theme, which call the component.
macro_rules! cases {
    ($($name:literal, $promise:literal => $run:ident;)*) => {
        pub(super) const CASES: &[$crate::kit::verdict::Case] = &[$($crate::kit::verdict::Case {
            name: $name,
            promise: $promise,
            run: $crate::kit::verdict::Run::Call(|kit| Box::pin($run(kit))),
        }),*];
    };
}
pub(super) use cases;

impl Case {
    /// How it stands in the report, with what was measured.
    pub(super) fn outcome(&self, verdict: Verdict, took: Duration, note: Option<String>) -> report::Case {
        let outcome = match verdict {
            Ok(()) => Outcome::Passed,
            Err(Broken::Advised(difference)) => Outcome::Advised(difference),
            Err(Broken::Failed(difference)) => Outcome::Failed(difference),
            Err(Broken::Skipped(why)) => Outcome::Skipped(why),
        };
        let promise = match note {
            Some(note) => format!("{} Here: {note}.", self.promise),
            None => self.promise.to_owned(),
        };

        report::Case { name: self.name.to_owned(), promise, outcome, took }
    }
}

impl Broken {
    pub(super) fn failed(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self::Failed(Difference::new(expected, came))
    }

    pub(super) fn advised(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self::Advised(Difference::new(expected, came))
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    /// Puts in front of what came what it came of.
    pub(super) fn about(self, what: &dyn Display) -> Self {
        let about = |Difference { expected, came }| Difference { expected, came: format!("{what}: {came}") };

        match self {
            Self::Advised(difference) => Self::Advised(about(difference)),
            Self::Failed(difference) => Self::Failed(about(difference)),
            Self::Skipped(why) => Self::Skipped(why),
        }
    }
}

impl From<Error> for Broken {
    /// What the gateway itself says stands in the way of every case.
    fn from(error: Error) -> Self {
        Self::failed("the gateway to go along", error.detail())
    }
}

impl From<anyhow::Error> for Broken {
    fn from(error: anyhow::Error) -> Self {
        Self::failed("the gateway to go along", format!("{error:#}"))
    }
}

/// `holds`, or what was expected and what came.
pub(super) fn ensure(holds: bool, expected: &str, came: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Broken::failed(expected, came())) }
}

/// The answer of a call that has to succeed.
pub(super) fn succeeds<T>(answer: Result<T, Failure>, expected: &str) -> Result<T, Broken> {
    answer.map_err(|failure| Broken::failed(expected, failure.to_string()))
}

/// The failure of a call that must not succeed.
pub(super) fn fails<T: Debug>(answer: Result<T, Failure>, expected: &str) -> Result<Failure, Broken> {
    match answer {
        Ok(answer) => Err(Broken::failed(expected, brief(&answer))),
        Err(failure) => Ok(failure),
    }
}

/// An answer in few words.
fn brief(answer: &impl Debug) -> String {
    let text = format!("{answer:?}");
    let mut words: String = text.chars().take(LONGEST).collect();
    if words.len() < text.len() {
        words.push('…');
    }
    words
}

/// Characters of an answer that are told.
const LONGEST: usize = 120;
