//! A case: one promise, and how to find out whether it is kept.

use std::pin::Pin;
use std::rc::Rc;

use super::server::Server;
use crate::report::{Difference, Outcome};

/// One promise of a contract.
#[derive(Clone)]
pub(crate) struct Case {
    /// In kebab-case; it stays what it is from version to version.
    pub(crate) name: String,
    /// A sentence for people.
    pub(crate) promise: String,
    check: Rc<dyn Check>,
}

impl Case {
    pub(super) fn new(
        name: impl Into<String>,
        promise: impl Into<String>,
        check: impl AsyncFn(&Server) -> Verdict + 'static,
    ) -> Self {
        Self { name: name.into(), promise: promise.into(), check: Rc::new(check) }
    }

    /// Whether `server` keeps the promise.
    pub(super) async fn outcome(&self, server: &Server) -> Outcome {
        match self.check.check(server).await {
            Ok(()) => Outcome::Passed,
            Err(Break::Advised(difference)) => Outcome::Advised(difference),
            Err(Break::Failed(difference)) => Outcome::Failed(difference),
            Err(Break::Skipped(why)) => Outcome::Skipped(why),
        }
    }
}

/// What ends a case before its end.
#[derive(Clone, Debug)]
pub(super) enum Break {
    /// The facts do not ask for it, but clients are better off.
    Advised(Difference),
    /// The promise is not kept.
    Failed(Difference),
    /// This server is not asked to keep it, for this reason.
    Skipped(String),
}

pub(super) type Verdict<T = ()> = Result<T, Break>;

pub(super) fn failed<T>(expected: impl Into<String>, came: impl Into<String>) -> Verdict<T> {
    Err(Break::Failed(Difference::new(expected, came)))
}

pub(super) fn skipped<T>(why: impl Into<String>) -> Verdict<T> {
    Err(Break::Skipped(why.into()))
}

/// Fails unless it `holds`.
pub(super) fn ensure(holds: bool, expected: &str, came: impl Into<String>) -> Verdict {
    if holds { Ok(()) } else { failed(expected, came) }
}

/// Takes a failure for advice: it breaks what this project recommends, and no fact of the contract.
pub(super) fn advised<T>(verdict: Verdict<T>) -> Verdict<T> {
    verdict.map_err(|broken| match broken {
        Break::Failed(difference) => Break::Advised(difference),
        Break::Advised(_) | Break::Skipped(_) => broken,
    })
}

/// A failure where `is_fact`, and advice elsewhere.
pub(super) fn advised_unless<T>(is_fact: bool, verdict: Verdict<T>) -> Verdict<T> {
    if is_fact { verdict } else { advised(verdict) }
}

type Checking<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

trait Check {
    fn check<'a>(&'a self, server: &'a Server) -> Checking<'a>;
}

impl<F: AsyncFn(&Server) -> Verdict> Check for F {
    fn check<'a>(&'a self, server: &'a Server) -> Checking<'a> {
        Box::pin(self(server))
    }
}
