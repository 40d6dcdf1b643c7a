//! A report in lines for people.

use super::{Case, Difference, Outcome, Report, Sum, milliseconds};
use crate::command::print::{BAD, FAINT, GOOD, NOTE, Painted};

impl Report {
    /// A line for each case, what was different below it, and the sum.
    pub(super) fn lines(&self) -> Vec<String> {
        let widest = self.cases.iter().map(|case| case.name.len()).max().unwrap_or_default();

        let mut lines = vec![self.subject.clone()];
        lines.extend(self.cases.iter().flat_map(|case| case_lines(case, widest)));
        lines.push(sum_line(&self.sum()));
        lines
    }
}

fn case_lines(Case { name, promise, outcome, took }: &Case, widest: usize) -> Vec<String> {
    let took = Painted(FAINT, milliseconds(*took));
    let line = |style, word| format!("  {} {name:<widest$}  {promise} ({took})", Painted(style, word));

    match outcome {
        Outcome::Advised(difference) => with_difference(line(NOTE, "advised"), difference),
        Outcome::Failed(difference) => with_difference(line(BAD, "failed "), difference),
        Outcome::Passed => vec![line(GOOD, "passed ")],
        Outcome::Skipped(why) => {
            vec![format!("  {} {name:<widest$}  {}", Painted(FAINT, "skipped"), printable(why))]
        }
    }
}

fn with_difference(line: String, Difference { expected, came }: &Difference) -> Vec<String> {
    vec![
        line,
        format!("          expected: {}", printable(expected)),
        format!("          came:     {}", printable(came)),
    ]
}

fn sum_line(Sum { advised, failed, passed, skipped, took }: &Sum) -> String {
    let all = advised + failed + passed + skipped;
    let (style, verdict) = if *failed == 0 { (GOOD, "kept:") } else { (BAD, "not kept:") };

    format!(
        "{} {all} cases, {passed} passed, {failed} failed, {advised} advised, {skipped} skipped, in {}",
        Painted(style, verdict),
        milliseconds(*took),
    )
}

/// Without what would move a terminal's cursor: these words may be somebody else's.
fn printable(text: &str) -> String {
    let escape = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };

    text.chars().map(escape).collect()
}
