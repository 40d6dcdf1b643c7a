//! What a run of conformance cases found: for people, for programs, and for whatever reads JUnit's XML.

mod json;
mod junit;
mod output;
mod text;

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use output::Output;

/// What a run found.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was tried, in a few words.
    pub(crate) subject: String,
    /// In the order they ran.
    pub(crate) cases: Vec<Case>,
}

/// What became of one promise.
#[derive(Debug)]
pub(crate) struct Case {
    /// In kebab-case; it stays what it is from version to version.
    pub(crate) name: String,
    /// What is promised, in a sentence for people.
    pub(crate) promise: String,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

/// What became of a promise.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It is not kept, and need not be, but would better be.
    Advised(Difference),
    /// It is not kept.
    Failed(Difference),
    /// It is kept.
    Passed,
    /// It was not tried, for this reason.
    Skipped(String),
}

/// What was expected, and what came instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Difference {
    pub(crate) expected: String,
    pub(crate) came: String,
}

impl Difference {
    pub(crate) fn new(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { expected: expected.into(), came: came.into() }
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}; came {}", self.expected, self.came)
    }
}

impl Report {
    /// A failure wherever a promise is not kept that has to be.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.sum().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        for case in &self.cases {
            sum.took += case.took;
            *match case.outcome {
                Outcome::Advised(_) => &mut sum.advised,
                Outcome::Failed(_) => &mut sum.failed,
                Outcome::Passed => &mut sum.passed,
                Outcome::Skipped(_) => &mut sum.skipped,
            } += 1;
        }
        sum
    }
}

/// How many cases had which outcome, and how long all of them took.
#[derive(Debug, Default)]
struct Sum {
    advised: usize,
    failed: usize,
    passed: usize,
    skipped: usize,
    took: Duration,
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests;
