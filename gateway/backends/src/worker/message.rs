//! What the two sides say to each other, whatever the protocol.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Protocol;
use super::failure::Sent;

/// The first frame in either direction. Its encoding never changes, so that two versions can tell each other apart.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hello {
    /// The protocol's name.
    pub protocol: String,
    /// The protocol's version.
    pub version: u32,
}

impl Hello {
    /// The greeting of `P`.
    #[must_use]
    pub fn of<P: Protocol>() -> Self {
        Self { protocol: P::NAME.to_owned(), version: P::VERSION }
    }
}

/// What a worker is told after the greeting.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound = "")]
pub enum ToWorker<P: Protocol> {
    /// Start. The first, and said once.
    Start(P::Setup),
    /// Do this.
    Request {
        /// What the answer is recognised by.
        id: u64,
        /// How long it may wait for what it needs.
        within: Duration,
        /// What to do.
        body: P::Request,
    },
    /// Are you there?
    Ping,
}

/// What a worker says after the greeting.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound = "")]
pub enum FromWorker<P: Protocol> {
    /// What comes next must not be tried again where it ends without a word.
    Committed,
    /// It serves.
    Ready(P::Ready),
    /// It cannot serve. The last that it says.
    Refused(P::Refusal),
    /// The answer to a request. Answers come in any order.
    Answer {
        /// The request's.
        id: u64,
        /// What came of it.
        body: P::Answer,
        /// Why the worker can serve no more, and wants to be started anew, if so: it is the last that it says then.
        leave: Option<Sent>,
    },
    /// It is there.
    Pong,
}
