//! The smallest protocol.

use keyport_core::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

use super::{Again, Protocol, Refusal};

/// Words are asked and answered. What it is told at the start is whether it serves.
#[derive(Debug)]
pub(super) struct Echo;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct No;

impl Refusal for No {
    fn again(&self) -> Again {
        Again::Never
    }

    fn failure(&self) -> Failure {
        Failure::new(FailureKind::Credentials, "no")
    }
}

impl Protocol for Echo {
    const NAME: &'static str = "echo";
    const VERSION: u32 = 1;

    type Answer = String;
    type Ready = ();
    type Refusal = No;
    type Request = String;
    type Setup = bool;
}
