//! A report as JUnit's XML, which CI servers show.

use quick_junit::{NonSuccessKind, Property, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Case, Outcome, Report};

impl Report {
    /// One suite with every case. Advice is no failure there, and JUnit has no third word: it is a skipped case.
    pub(super) fn junit(&self) -> Result<String, SerializeError> {
        let took = self.sum().took;
        let mut suite = TestSuite::new(&self.subject);
        suite.set_time(took).add_test_cases(self.cases.iter().map(|case| test_case(&self.subject, case)));
        let mut report = quick_junit::Report::new("keyport");
        report.set_time(took).add_test_suite(suite);

        report.to_string()
    }
}

fn test_case(subject: &str, Case { name, promise, outcome, took }: &Case) -> TestCase {
    let status = match outcome {
        Outcome::Advised(difference) => skipped(&format!("advised: {difference}")),
        Outcome::Failed(difference) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(difference.to_string()).set_type("promise").set_description(promise);
            status
        }
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped(why) => skipped(why),
    };

    let mut case = TestCase::new(name, status);
    case.set_classname(subject).set_time(*took).add_property(Property::new("promise", promise));
    case
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    status
}
