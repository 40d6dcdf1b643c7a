//! What a guest's imports know: whose guest it is, and which call it is serving.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyport_core::custody::{Capabilities, Origin, Target};
use keyport_core::grant::{Grant, Grants};
use keyport_core::name::{ConnectionName, ProviderName};
use keyport_core::outside::Outside;
use keyport_core::provider::{Call, ProviderId};
use keyport_core::{Failure, FailureKind};
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::imports::Interface;
use crate::imports::held::no_resources;
use crate::imports::log::Budgets;
use crate::imports::wasi::Wasi;
use crate::limits::{Limits, Room};
use crate::lines::Lines;
use crate::meter::Meter;
use crate::stats::Stats;

/// One loaded provider, as all its instances see it.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) id: ProviderId,
    pub(crate) name: ProviderName,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) capabilities: Arc<dyn Capabilities>,
    pub(crate) outside: Outside,
    pub(crate) stats: Arc<Stats>,
    pub(crate) log: Budgets,
    pub(crate) lines: Lines,
}

/// What belongs to one instance.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) guest: Arc<Guest>,
    /// The call being served; while there is none, no capability answers.
    pub(crate) call: Option<Call>,
    /// What the guest holds handles of.
    pub(crate) held: ResourceTable,
    /// What WASI keeps, once the guest has used it.
    pub(crate) wasi: Option<Box<Wasi>>,
    pub(crate) meter: Arc<Meter>,
    room: Room,
}

impl State {
    /// What a function of the host works on; each call of one comes through here once.
    pub(crate) fn called(&mut self) -> &mut Self {
        self.meter.host_called();
        self
    }

    /// Serves this call from now on; none, once it has ended.
    pub(crate) fn serve(&mut self, call: Option<Call>) {
        if let Some(wasi) = &self.wasi {
            wasi.serve(call.as_ref());
        }
        self.call = call;
    }

    /// An object on a connection, in the call being served.
    pub(crate) fn target(&self, connection: ConnectionName, object: String) -> Result<Target, Failure> {
        let operation = self.serving()?.operation;

        Ok(Target { operation, provider: self.guest.id, connection, object })
    }

    /// This guest, in the call being served, asking for something on a connection.
    pub(crate) fn origin(&self, connection: ConnectionName) -> Result<Origin, Failure> {
        let operation = self.serving()?.operation;

        Ok(Origin { operation, provider: self.guest.id, connection })
    }

    fn serving(&self) -> Result<&Call, Failure> {
        self.call.as_ref().ok_or_else(|| Failure::new(FailureKind::Denied, "no operation is open"))
    }
}

impl Guest {
    /// The granted connection that this interface reaches and a guest names; the only one where it names none.
    pub(crate) fn connection(
        &self,
        interface: Interface,
        name: Option<&str>,
    ) -> Result<ConnectionName, Failure> {
        let named = |connection: &ConnectionName| name.is_none_or(|name| name == connection.as_str());
        let reached = |grant: &&Grant| interface.kinds().contains(&grant.kind) && named(&grant.connection);
        let mut granted = self.grants.iter().filter(reached);

        match (granted.next(), granted.next()) {
            (Some(grant), None) => Ok(grant.connection.clone()),
            (Some(_), Some(_)) => {
                Err(Failure::new(FailureKind::InvalidArgument, "several connections are granted: name one"))
            }
            (None, _) => Err(Failure::new(FailureKind::Denied, "no such connection is granted")),
        }
    }

    /// A store for one instance, with every limit in place.
    pub(crate) fn store(self: &Arc<Self>, engine: &Engine, meter: &Arc<Meter>) -> Store<State> {
        let state = State {
            guest: Arc::clone(self),
            call: None,
            held: no_resources(),
            wasi: None,
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

/// Handles of resources that an instance may hold, those of a component's own included.
const HANDLES: usize = 64;
