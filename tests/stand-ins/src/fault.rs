//! What a stand-in does wrong when it is told to.

use std::sync::Mutex;

use serde_json::Value;
use tokio::sync::Notify;

use crate::{Answer, Asked};

/// Something that goes wrong with one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is not done, and this is the answer.
    Answer(Answer),
    /// It is done, and the connection ends in the middle of the answer.
    Cut,
    /// It is not done, and the answer is made of what was asked.
    Echo(fn(&Asked) -> Answer),
    /// It is done, and no answer ever comes.
    HangAfter,
    /// It is not done, and no answer ever comes.
    HangBefore,
    /// It is done when it is [let go](Faults::let_go), though whoever asked may be gone, and no answer ever comes.
    Late,
    /// It is done, and the answer is another.
    Lie(fn(&mut Value)),
}

/// What is still to go wrong, and with which calls.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Mutex<Vec<Planned>>,
    hung: Notify,
    let_go: Notify,
}

#[derive(Debug)]
struct Planned {
    /// A part of the call's name.
    on: &'static str,
    /// How many such calls go well before.
    spared: usize,
    times: usize,
    fault: Fault,
}

impl Faults {
    /// The next so many calls that have this in their name go wrong, after those of which it was said before.
    pub fn add(&self, on: &'static str, times: usize, fault: Fault) {
        self.plan(Planned { on, spared: 0, times, fault });
    }

    /// Each call that has this in its name goes wrong.
    pub fn always(&self, on: &'static str, fault: Fault) {
        self.add(on, usize::MAX, fault);
    }

    /// The call that comes after so many others goes wrong.
    pub fn after(&self, calls: usize, fault: Fault) {
        self.plan(Planned { on: "", spared: calls, times: 1, fault });
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.planned.lock().unwrap().clear();
    }

    /// Waits until a call hangs.
    pub async fn has_hung(&self) {
        self.hung.notified().await;
    }

    /// Has the call done that is late.
    pub fn let_go(&self) {
        self.let_go.notify_one();
    }

    pub(crate) async fn is_let_go(&self) {
        self.let_go.notified().await;
    }

    pub(crate) async fn hang<T>(&self) -> T {
        self.hung.notify_one();
        std::future::pending().await
    }

    /// What goes wrong with this call.
    pub(crate) fn next(&self, call: &str) -> Option<Fault> {
        let mut planned = self.planned.lock().unwrap();
        let mut about_it = planned.iter_mut().filter(|planned| call.contains(planned.on));
        let next = about_it.find_map(|planned| match planned.spared.checked_sub(1) {
            Some(left) => {
                planned.spared = left;
                None
            }
            None => Some(planned),
        })?;
        let fault = next.fault.clone();
        next.times -= 1;
        planned.retain(|planned| planned.times > 0);

        Some(fault)
    }

    fn plan(&self, planned: Planned) {
        self.planned.lock().unwrap().push(planned);
    }
}
