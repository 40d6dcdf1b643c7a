//! What people read: short, and in colour on a terminal.

use std::fmt;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;

use crate::config::Mistakes;

/// The colours of `--help`.
pub(super) const STYLES: Styles =
    Styles::styled().header(STRONG).usage(STRONG).literal(AnsiColor::Cyan.on_default()).error(BAD);

/// Writes a line to standard output.
pub(crate) fn line(text: impl fmt::Display) {
    // Whoever closed the pipe does not want to read.
    drop(writeln!(anstream::stdout(), "{text}"));
}

/// Writes what is going on to standard error, where it does not mix with what was asked for.
pub(crate) fn step(text: &str) {
    drop(writeln!(anstream::stderr(), "{}", Painted(FAINT, text)));
}

/// Writes an error and what lies behind it to standard error.
pub(super) fn error(error: &anyhow::Error) {
    let mut out = anstream::stderr();
    drop(writeln!(out, "{} {error}", Painted(BAD, "error:")));
    for cause in error.chain().skip(1) {
        drop(writeln!(out, "  {} {cause}", Painted(FAINT, "because:")));
    }
}

/// Writes what is wrong with a configuration to standard error.
pub(super) fn mistakes(Mistakes { file, mistakes }: &Mistakes) {
    let mut out = anstream::stderr();
    for mistake in mistakes {
        let place = format!("{}:{}:", file.display(), mistake.line);
        let fix = mistake.fix.replace('\n', "\n    ");
        drop(writeln!(out, "{} {}\n    {}", Painted(STRONG, place), mistake.what, Painted(FAINT, fix)));
    }
    let count = match mistakes.len() {
        1 => "one mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    drop(writeln!(out, "{} {count} in {}", Painted(BAD, "error:"), file.display()));
}

/// Something in a style.
pub(crate) struct Painted<T>(pub(crate) Style, pub(crate) T);

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:#}", self.0, self.1, self.0)
    }
}

/// All is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What can be passed over.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// All is not well.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// All is well, and could be better.
pub(crate) const NOTE: Style = AnsiColor::Yellow.on_default();
const STRONG: Style = Style::new().bold();
