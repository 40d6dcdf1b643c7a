//! What the stand-in does wrong when it is told to.

use std::sync::Mutex;

use serde_json::Value;

/// A misdeed.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Answers this, and does nothing.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// Ends the connection in the middle of the answer's body.
    Cut,
    /// Says nothing more, before it did anything.
    HangBefore,
    /// Says nothing more, after it did what was asked.
    HangAfter,
    /// Answers something else than what is true.
    Lie(fn(&mut Value)),
}

/// What is still to be done wrong, and to which calls.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<(&'static str, u32, Fault)>>);

impl Faults {
    /// The next so many calls whose method and path have this in them go wrong.
    pub(crate) fn add(&self, on: &'static str, times: u32, fault: Fault) {
        self.0.lock().unwrap().push((on, times, fault));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// What goes wrong with this call.
    pub(crate) fn next(&self, call: &str) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap();
        let (_, times, fault) = faults.iter_mut().find(|(on, times, _)| *times > 0 && call.contains(on))?;
        *times -= 1;

        Some(fault.clone())
    }
}
