//! The keys that a guest holds, as resources.

use keyport_core::custody::{Capabilities, Target};
use keyport_core::{Failure, FailureKind};
use wasmtime::component::{Resource, ResourceTable};

use crate::guest::State;
use crate::imports::Interface;
use crate::stats::Bound;

/// A key that a guest holds: a name, and good for the operation that it was named in.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Held {
    pub(super) target: Target,
    /// What the custodian answered when it made the key.
    pub(super) public: Option<Vec<u8>>,
}

impl Held {
    /// The public half: known of a key that was made a moment ago.
    pub(super) async fn public_key(self, capabilities: &dyn Capabilities) -> Result<Vec<u8>, Failure> {
        match self.public {
            Some(public) => Ok(public),
            None => capabilities.public_key(self.target).await,
        }
    }
}

impl State {
    /// What the guest names on a connection that `interface` reaches.
    pub(super) fn named(
        &self,
        interface: Interface,
        connection: Option<&str>,
        id: String,
    ) -> Result<Target, Failure> {
        if id.len() > LONGEST_ID {
            return Err(Failure::new(FailureKind::Denied, "no object has so long an id"));
        }

        self.target(self.guest.connection(interface, connection)?, id)
    }

    /// Has the guest hold it.
    pub(super) fn hold(
        &mut self,
        target: Target,
        public: Option<Vec<u8>>,
    ) -> Result<Resource<Held>, Failure> {
        self.held.push(Held { target, public }).map_err(|_full| {
            self.guest.stats.hit(Bound::Resources);
            Failure::new(FailureKind::Internal, format!("bound `{}` was hit", Bound::Resources))
        })
    }

    /// What the guest holds so.
    pub(super) fn held(&self, held: &Resource<Held>) -> Result<&Held, Failure> {
        // The engine hands on no resource that the guest does not hold.
        self.held.get(held).map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))
    }
}

/// What a guest may hold at a time.
pub(crate) fn no_resources() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(RESOURCES);
    table
}

/// Resources that an instance may hold at a time, as the WIT package says. An operation is about one key.
const RESOURCES: usize = 16;

/// Bytes of an id that a guest may hold: far more than a CKA_ID has in any text, and little of the gateway's memory.
const LONGEST_ID: usize = 1024;
