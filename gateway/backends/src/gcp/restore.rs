//! Takes the destruction of a version back, for as long as Google waits with it.
//!
//! That is two calls: a version that was restored is disabled, and has to be enabled. What is to be done next is read off its state
//! each time, so that it can be tried again after a crash between them.

use std::time::Instant;

use keyport_core::{Failure, FailureKind};

use super::Gcp;
use super::wire::State;
use crate::cloud::{Call, Patience, Retry};

impl Gcp {
    /// Has a version sign again, unless it is destroyed.
    pub(super) async fn restored(&self, name: &str, deadline: Instant) -> Result<(), Failure> {
        let mut patience = Patience::until(deadline);
        loop {
            let version = self.service.version(Call::read(deadline), name).await?;
            let manage = Call::manage(Retry::Safe, deadline);
            let done = match version.state {
                State::Enabled => return Ok(()),
                State::DestroyScheduled => self.service.restore(manage, name).await,
                State::Disabled => self.service.enable(manage, name).await,
                State::Destroyed => return Err(destroyed(name)),
                State::GenerationFailed | State::PendingGeneration | State::Other => {
                    let message = format!("`{name}` cannot be restored: {:?}", version.state);
                    return Err(Failure::new(FailureKind::Other, message));
                }
            };

            let why = match done {
                Ok(()) => String::new(),
                // It is in another state by now.
                Err(failure) if failure.kind == FailureKind::KeyGone => format!(": {}", failure.message),
                Err(failure) => return Err(failure),
            };
            let message = format!("`{name}` is still being restored{why}");
            patience.wait(Failure::new(FailureKind::Unavailable, message)).await?;
        }
    }
}

fn destroyed(name: &str) -> Failure {
    let message = format!("`{name}` is destroyed: the time in which it could be restored is over");

    Failure::new(FailureKind::KeyGone, message)
}
