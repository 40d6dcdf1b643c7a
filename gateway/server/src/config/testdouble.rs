//! What goes wrong at the test double.

use std::collections::BTreeMap;
use std::time::Duration;

use keyport_core::FailureKind;

use super::section::Section;
use super::value::{count, duration, one};

/// `[provider.settings]` of `builtin:testdouble`: what fails, how, and what takes its time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TestDouble {
    /// `fail-create`, `fail-sign` …: what these operations fail with.
    pub(crate) fails: BTreeMap<Work, FailureKind>,
    /// `delay-create`, `delay-sign` …: how long these operations wait before they begin.
    pub(crate) delays: BTreeMap<Work, Duration>,
    /// `fail-after`: so many calls of each operation go well before it fails.
    pub(crate) after: u64,
    /// `fail-times`: so many calls of each operation fail, and further ones go well; without it, all do.
    pub(crate) times: Option<u64>,
    /// `retry-after`: what `throttled` and `unavailable` say about coming back.
    pub(crate) retry_after: Option<Duration>,
}

/// What a provider is asked for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Work {
    /// To make a key.
    Create,
    /// To destroy a key.
    Destroy,
    /// To say how it is.
    Health,
    /// To take over a key.
    Import,
    /// To sign.
    Sign,
}

impl Work {
    /// Every kind of work.
    const ALL: [Self; 5] = [Self::Create, Self::Destroy, Self::Health, Self::Import, Self::Sign];

    /// Its name in the log of calls.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Destroy => "destroy",
            Self::Health => "health",
            Self::Import => "import",
            Self::Sign => "sign",
        }
    }

    /// The settings that make it fail and wait.
    fn settings(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("fail-create", "delay-create"),
            Self::Destroy => ("fail-destroy", "delay-destroy"),
            Self::Health => ("fail-health", "delay-health"),
            Self::Import => ("fail-import", "delay-import"),
            Self::Sign => ("fail-sign", "delay-sign"),
        }
    }
}

impl TestDouble {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut double = Self {
            after: section.or("fail-after", 0, count),
            times: section.optional("fail-times", count),
            retry_after: section.optional("retry-after", duration),
            ..Self::default()
        };
        for work in Work::ALL {
            let (fail, delay) = work.settings();
            let kind = section.optional(fail, one("a failure", &FailureKind::ALL, |kind| kind.as_str()));
            double.fails.extend(kind.map(|kind| (work, kind)));
            double.delays.extend(section.optional(delay, duration).map(|delay| (work, delay)));
        }

        section.end();
        double
    }
}
