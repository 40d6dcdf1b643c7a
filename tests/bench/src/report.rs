//! What is printed and kept: a table for each scenario, and how it stands to the targets.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::machine::Machine;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// On what.
    pub(crate) machine: Machine,
    /// Whether the run was a quick one, whose figures mean little.
    pub(crate) quick: bool,
    /// By scenario.
    pub(crate) sections: Vec<Section>,
}

impl Report {
    /// Writes `results.json` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join("results.json");
        fs::write(&file, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Whether no target was missed.
    pub(crate) fn meets_targets(&self) -> bool {
        self.sections.iter().flat_map(|section| &section.targets).all(Target::is_met)
    }
}

/// What one scenario showed.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    title: String,
    #[serde(skip)]
    columns: Vec<&'static str>,
    rows: Vec<Map<String, Value>>,
    targets: Vec<Target>,
    notes: Vec<String>,
}

impl Section {
    /// An empty table.
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            targets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row: a value for each column. Numbers that are not finite become empty.
    pub(crate) fn row(&mut self, values: impl IntoIterator<Item = Value>) {
        self.rows.push(self.columns.iter().map(|column| (*column).to_owned()).zip(values).collect());
    }

    /// Adds a target: `measured` is to be at most `limit`.
    pub(crate) fn at_most(&mut self, promise: &str, measured: f64, limit: f64, unit: &'static str) {
        self.targets.push(Target {
            promise: promise.to_owned(),
            measured,
            limit: Limit::AtMost(limit),
            unit,
        });
    }

    /// Adds a target: `measured` is to be at least `limit`.
    pub(crate) fn at_least(&mut self, promise: &str, measured: f64, limit: f64, unit: &'static str) {
        self.targets.push(Target {
            promise: promise.to_owned(),
            measured,
            limit: Limit::AtLeast(limit),
            unit,
        });
    }

    /// Adds a sentence below the table.
    pub(crate) fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// The section in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut lines = vec![format!("### {}", self.title), String::new()];
        lines.push(format!("| {} |", self.columns.join(" | ")));
        lines.push(format!("|---|{}", "--:|".repeat(self.columns.len().saturating_sub(1))));
        lines.extend(self.rows.iter().map(|row| {
            let cells: Vec<_> =
                self.columns.iter().map(|column| row.get(*column).map_or_else(String::new, cell)).collect();
            format!("| {} |", cells.join(" | "))
        }));
        lines.push(String::new());
        lines.extend(self.targets.iter().map(Target::markdown));
        lines.extend(self.notes.iter().map(|note| format!("- {note}")));
        lines.join("\n")
    }
}

/// Figures with three digits or more need no fraction.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => figure(number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn figure(number: f64) -> String {
    if number.fract() == 0.0 || number.abs() >= 1000.0 {
        return grouped(number);
    }
    let digits = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{number:.digits$}")
}

fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::from(if number < 0.0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[derive(Debug)]
struct Target {
    promise: String,
    measured: f64,
    limit: Limit,
    unit: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtLeast(limit) => self.measured >= limit,
            Limit::AtMost(limit) => self.measured <= limit,
        }
    }

    fn markdown(&self) -> String {
        let (word, limit) = match self.limit {
            Limit::AtLeast(limit) => ("at least", limit),
            Limit::AtMost(limit) => ("at most", limit),
        };
        let mark = if self.is_met() { "✅" } else { "❌" };
        let (measured, limit, unit) = (figure(self.measured), figure(limit), self.unit);
        format!("- {mark} {}: {measured}{unit}, target {word} {limit}{unit}", self.promise)
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (bound, limit) = match self.limit {
            Limit::AtLeast(limit) => ("at least", limit),
            Limit::AtMost(limit) => ("at most", limit),
        };
        json!({
            "promise": self.promise,
            "measured": self.measured,
            "bound": bound,
            "limit": limit,
            "unit": self.unit.trim(),
            "met": self.is_met(),
        })
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_or_so() {
        let written: Vec<_> = [1.234, 12.34, 123.4, 1234.5, 0.0, 1_234_567.0, -5000.0].map(figure).into();

        assert_eq!(written, ["1.23", "12.3", "123", "1,234", "0", "1,234,567", "-5,000"]);
    }

    #[test]
    fn a_missed_target_shows() {
        let mut section = Section::new("Speed", &["what", "µs"]);
        section.row([json!("floor"), json!(28.04)]);
        section.at_most("cost", 3.0, 2.0, " ×");

        assert_eq!(
            section.markdown(),
            "### Speed\n\n| what | µs |\n|---|--:|\n| floor | 28.0 |\n\n- ❌ cost: 3 ×, target at most 2 ×"
        );
    }
}
