//! What a guest's imports know: whose guest it is, and which call it is serving.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyport_core::custody::Capabilities;
use keyport_core::name::{ConnectionName, ProviderName};
use keyport_core::outside::Outside;
use keyport_core::provider::{Call, ProviderId};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::imports::log::Budgets;
use crate::limits::{Limits, Room};
use crate::meter::Meter;
use crate::stats::Stats;

/// One loaded provider, as all its instances see it.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) id: ProviderId,
    pub(crate) name: ProviderName,
    pub(crate) settings: BTreeMap<String, String>,
    /// The connection behind `soft-token`.
    pub(crate) soft: Option<ConnectionName>,
    pub(crate) limits: Limits,
    pub(crate) capabilities: Arc<dyn Capabilities>,
    pub(crate) outside: Outside,
    pub(crate) stats: Arc<Stats>,
    pub(crate) log: Budgets,
}

/// What belongs to one instance.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) guest: Arc<Guest>,
    /// The call being served; while there is none, no capability answers.
    pub(crate) call: Option<Call>,
    pub(crate) meter: Arc<Meter>,
    room: Room,
}

impl Guest {
    /// A store for one instance, with every limit in place.
    pub(crate) fn store(self: &Arc<Self>, engine: &Engine, meter: &Arc<Meter>) -> Store<State> {
        let state = State {
            guest: Arc::clone(self),
            call: None,
            meter: Arc::clone(meter),
            room: Room::new(&self.limits, Arc::clone(&self.stats)),
        };

        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.room);
        store.set_hostcall_fuel(self.limits.host_bytes);
        store.set_max_component_handles(HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            let state = store.data();
            if state.meter.tick() > state.guest.limits.cpu {
                return Err(CpuSpent.into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

/// A guest has computed for longer than it may.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the CPU time of one call is spent")]
pub(crate) struct CpuSpent;

/// Handles of resources that an instance may hold. No interface has resources yet; a component may bring its own.
const HANDLES: usize = 64;
