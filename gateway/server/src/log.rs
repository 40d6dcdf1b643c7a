//! The operator's log: lines on standard error, for people or for programs.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;

/// How the log is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line.
    Json,
    /// For people; in colour on a terminal.
    Text,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The level is none.
    #[error(transparent)]
    Level(#[from] BadLevel),
    /// Somebody was first.
    #[error("the log cannot be started")]
    Started(#[source] TryInitError),
}

/// A text that is no level.
#[derive(Debug, thiserror::Error)]
#[error("write error, warn, info, debug or trace, or several for parts of it: info,keyport=debug")]
pub(crate) struct BadLevel(#[source] ParseError);

/// Whether `text` is a level, as [`start`] takes it.
pub(crate) fn level(text: &str) -> Result<String, BadLevel> {
    filter(text).map(|_| text.to_owned())
}

/// Starts the log. `level` is one of `error`, `warn`, `info`, `debug` and `trace`, or several for parts of the
/// program, such as `info,keyport=debug`.
pub(crate) fn start(format: Format, level: &str) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let lines = tracing_subscriber::fmt().with_env_filter(filter(level)?).with_writer(stderr);

    match format {
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
        Format::Text => lines.with_target(false).with_ansi(stderr().is_terminal()).finish().try_init(),
    }
    .map_err(LogError::Started)
}

fn filter(level: &str) -> Result<EnvFilter, BadLevel> {
    EnvFilter::builder().parse(level).map_err(BadLevel)
}
