//! A report for programs.

use serde_json::{Value, json};

use super::{Case, Difference, Outcome, Report};

impl Report {
    /// An object with `subject`, `cases` and their numbers. A case has `name`, `promise`, `outcome`, `took_ms`, and
    /// `expected` and `came` where it was not kept, or `why` where it was not tried.
    pub(super) fn json(&self) -> Value {
        let sum = self.sum();

        json!({
            "subject": self.subject,
            "passed": sum.passed,
            "failed": sum.failed,
            "advised": sum.advised,
            "skipped": sum.skipped,
            "took_ms": sum.took.as_secs_f64() * 1000.0,
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
        })
    }
}

fn case(Case { name, promise, outcome, took }: &Case) -> Value {
    let took = took.as_secs_f64() * 1000.0;
    let different = |word, Difference { expected, came }: &Difference| {
        json!({
            "name": name, "promise": promise, "outcome": word, "took_ms": took, "expected": expected, "came": came,
        })
    };

    match outcome {
        Outcome::Advised(difference) => different("advised", difference),
        Outcome::Failed(difference) => different("failed", difference),
        Outcome::Passed => json!({ "name": name, "promise": promise, "outcome": "passed", "took_ms": took }),
        Outcome::Skipped(why) => {
            json!({ "name": name, "promise": promise, "outcome": "skipped", "took_ms": took, "why": why })
        }
    }
}
