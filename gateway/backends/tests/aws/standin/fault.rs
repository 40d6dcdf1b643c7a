//! What the services do wrong.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::Value;
use tokio::sync::Notify;

use super::Answer;

/// Something that goes wrong with one call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is done, and the answer is another.
    Alter(fn(&mut Value)),
    /// It is not done, and this is the answer.
    Answer(Answer),
    /// It is done, and no answer ever comes.
    HangAfter,
    /// It is not done, and no answer ever comes.
    HangBefore,
    /// It is done, and the connection ends in the middle of the answer.
    Reset,
}

/// What will go wrong, in which order.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    once: Mutex<VecDeque<(&'static str, Fault)>>,
    standing: Mutex<Option<(&'static str, Fault)>>,
    nth: Mutex<Option<(usize, Fault)>>,
    hung: Notify,
}

impl Faults {
    /// The next call of this operation goes wrong.
    pub(crate) fn next(&self, operation: &'static str, fault: Fault) {
        self.once.lock().unwrap().push_back((operation, fault));
    }

    /// Each call of this operation goes wrong, until another standing fault is set or none.
    pub(crate) fn always(&self, fault: Option<(&'static str, Fault)>) {
        *self.standing.lock().unwrap() = fault;
    }

    /// The call that comes after so many others goes wrong.
    pub(crate) fn after(&self, calls: usize, fault: Fault) {
        *self.nth.lock().unwrap() = Some((calls, fault));
    }

    /// The call that would go wrong after others does not.
    pub(crate) fn forget(&self) {
        *self.nth.lock().unwrap() = None;
    }

    /// Waits until a call hangs.
    pub(crate) async fn has_hung(&self) {
        self.hung.notified().await;
    }

    pub(super) async fn hang<T>(&self) -> T {
        self.hung.notify_one();
        std::future::pending().await
    }

    pub(super) fn take(&self, operation: &str) -> Option<Fault> {
        if let Some(fault) = self.take_nth() {
            return Some(fault);
        }
        let mut once = self.once.lock().unwrap();
        if let Some(place) = once.iter().position(|(name, _)| *name == operation) {
            return once.remove(place).map(|(_, fault)| fault);
        }

        let standing = self.standing.lock().unwrap();
        standing.as_ref().filter(|(name, _)| *name == operation).map(|(_, fault)| fault.clone())
    }

    fn take_nth(&self) -> Option<Fault> {
        let mut nth = self.nth.lock().unwrap();
        match nth.take() {
            Some((0, fault)) => Some(fault),
            Some((left, fault)) => {
                *nth = Some((left - 1, fault));
                None
            }
            None => None,
        }
    }
}
