//! A process of its own for what may crash, hang or be hostile, supervised, and spoken to over an inherited socket.
//!
//! The supervising side is a [`Worker`]: it starts the process, calls it, watches it, and starts it again. The other
//! side is [`serve`]. What they say to each other is a [`Protocol`] of plain owned values; this module knows none.

mod backoff;
mod failure;
mod frame;
mod link;
mod message;
mod process;
mod serve;
mod supervisor;
#[cfg(test)]
mod testing;

use std::fmt::Debug;

use keyport_core::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use failure::{FailureDef, FailureKindDef, Sent};
pub use frame::{FrameError, Unframer, decode, encode};
pub use message::{FromWorker, Hello, ToWorker};
pub use serve::{ServeError, Served, Service, Started, Starting, serve};
pub use supervisor::{Limits, Program, Worker, WorkerError};

/// What one kind of worker is told, asked and says.
pub trait Protocol: Debug + Send + Sync + 'static {
    /// Tells this protocol from others.
    const NAME: &'static str;
    /// Raised whenever what is sent changes.
    const VERSION: u32;

    /// What the worker needs to start.
    type Setup: Value + Clone;
    /// What it says when it can serve.
    type Ready: Value + Clone;
    /// Why it cannot.
    type Refusal: Value + Clone + Refusal;
    /// What it can be asked.
    type Request: Value;
    /// What it answers.
    type Answer: Value;

    /// What later workers are told, once one has said this: they are to serve what it served.
    fn settle(_setup: &mut Self::Setup, _ready: &Self::Ready) {}
}

/// Why a worker cannot serve.
pub trait Refusal {
    /// Whether starting it again may help.
    fn again(&self) -> Again;

    /// What callers get meanwhile.
    fn failure(&self) -> Failure;
}

/// Whether a worker that refused may be started again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Again {
    /// Never: another try may do harm, or cannot help.
    Never,
    /// Where it has served before; otherwise what it was told is wrong.
    IfItServedBefore,
    /// With back-off, until it serves.
    Always,
}

/// A plain owned value that can be sent.
pub trait Value: Debug + DeserializeOwned + Send + Serialize + Sync + 'static {}

impl<T: Debug + DeserializeOwned + Send + Serialize + Sync + 'static> Value for T {}
