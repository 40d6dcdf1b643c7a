//! Instances that wait for their next call, where a provider's may be reused.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyport_core::name::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;

use crate::guest::State;
use crate::meter::Meter;
use crate::world::World;

/// Whether an instance serves one call or several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Instances {
    /// One: nothing of a call is there in the next.
    Fresh,
    /// Several, all of one tenant.
    Reuse {
        /// At most this many calls.
        calls: u32,
        /// None that begins this long after the instance was made.
        age: Duration,
    },
}

impl Instances {
    /// Reuse within the usual bounds: a thousand calls, a minute.
    pub const REUSE: Self = Self::Reuse { calls: 1000, age: Duration::from_secs(60) };
}

/// One instance.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) world: World,
    calls: u32,
    made: Instant,
}

impl Instance {
    pub(crate) fn new(store: Store<State>, world: World, now: Instant) -> Self {
        Self { store, world, calls: 0, made: now }
    }

    /// Ready for another call, whose CPU time `meter` counts.
    pub(crate) fn resumed(mut self, meter: &Arc<Meter>) -> Self {
        self.store.data_mut().meter = Arc::clone(meter);
        self.store.set_epoch_deadline(1);
        self
    }
}

/// One provider's idle instances, by tenant. Each takes one of the places that the host has for all of them.
pub(crate) struct Idle {
    instances: Instances,
    places: Arc<Semaphore>,
    tenants: Mutex<HashMap<TenantId, Vec<(Instance, OwnedSemaphorePermit)>>>,
}

impl Idle {
    pub(crate) fn new(instances: Instances, places: Arc<Semaphore>) -> Self {
        Self { instances, places, tenants: Mutex::default() }
    }

    /// The instance that served this tenant last, if it may serve it again.
    pub(crate) fn take(&self, tenant: &TenantId, now: Instant) -> Option<Instance> {
        if self.instances == Instances::Fresh {
            return None;
        }

        loop {
            let (instance, place) = {
                let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
                tenants.get_mut(tenant)?.pop()?
            };
            drop(place);
            if self.may_serve(&instance, now) {
                return Some(instance);
            }
        }
    }

    /// Keeps an instance that has served a call for the tenant, or drops it.
    pub(crate) fn put(&self, tenant: &TenantId, mut instance: Instance, now: Instant) {
        instance.calls = instance.calls.saturating_add(1);
        if !self.may_serve(&instance, now) {
            return;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };

        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        match tenants.get_mut(tenant) {
            Some(idle) => idle.push((instance, place)),
            None => {
                tenants.insert(tenant.clone(), vec![(instance, place)]);
            }
        }
    }

    /// Drops every idle instance; answers how many there were.
    pub(crate) fn clear(&self) -> usize {
        let idle = std::mem::take(&mut *self.tenants.lock().unwrap_or_else(PoisonError::into_inner));

        idle.values().map(Vec::len).sum()
    }

    fn may_serve(&self, instance: &Instance, now: Instant) -> bool {
        match self.instances {
            Instances::Fresh => false,
            Instances::Reuse { calls, age } => {
                instance.calls < calls && now.saturating_duration_since(instance.made) < age
            }
        }
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("instances", &self.instances).finish_non_exhaustive()
    }
}
