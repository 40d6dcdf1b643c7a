//! One call of one export: its place among the others, its instance, its limits and its end.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_core::provider::{Call, CreateKey, Created, Descriptor, ImportKey, KeyRef, Provider, Sign};
use keyport_core::room::{Place, Room};
use keyport_core::{Failure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::export::{
    Answer, CreateExport, DescribeExport, DestroyExport, Export, HealthExport, ImportExport, PublicKeyExport,
    SignExport,
};
use crate::guest::{CpuSpent, Guest, State};
use crate::host::Host;
use crate::instances::{Idle, Instance};
use crate::meter::{Meter, Precision};
use crate::stats::Bound;
use crate::tenants::Tenant;
use crate::text;
use crate::world::{World, WorldPre};

/// A loaded provider.
#[derive(Debug)]
pub(crate) struct Served(pub(crate) Arc<Component>);

#[async_trait]
impl Provider for Served {
    async fn create_key(&self, call: Call, request: CreateKey) -> Result<Created, Failure> {
        let export = CreateExport(call.tenant.clone(), request);

        self.0.call(call, export).await
    }

    async fn import_key(&self, call: Call, request: ImportKey) -> Result<Created, Failure> {
        let export = ImportExport(call.tenant.clone(), request);

        self.0.call(call, export).await
    }

    async fn public_key(&self, call: Call, key: KeyRef) -> Result<Vec<u8>, Failure> {
        self.0.call(call, PublicKeyExport(key)).await
    }

    async fn sign(&self, call: Call, request: Sign) -> Result<Vec<u8>, Failure> {
        self.0.call(call, SignExport(request)).await
    }

    async fn destroy_key(&self, call: Call, key: KeyRef) -> Result<(), Failure> {
        self.0.call(call, DestroyExport(key)).await
    }

    async fn health(&self, call: Call) -> Result<(), Failure> {
        self.0.call(call, HealthExport).await
    }
}

/// A compiled component with everything it may import, and what its calls share.
pub(crate) struct Component {
    pub(crate) host: Arc<Host>,
    pub(crate) guest: Arc<Guest>,
    pub(crate) world: WorldPre,
    pub(crate) room: Room,
    pub(crate) idle: Idle,
    pub(crate) trusted: bool,
}

impl Component {
    /// Calls an export for a tenant, until the call's deadline.
    async fn call<E: Export>(self: &Arc<Self>, call: Call, export: E) -> Result<E::Answer, Failure> {
        let deadline = call.deadline;
        // In a box, because a future of its size is dear to move, and it is moved at each step below.
        let work = Box::pin(async {
            let places = self.places(&call, E::CHANGES).await?;
            self.start(Some((call, places)), export).await
        });

        self.until(deadline, work).await
    }

    /// Asks what the provider is, for no tenant and with no capability.
    pub(crate) async fn describe(self: &Arc<Self>, deadline: Instant) -> Result<Descriptor, Failure> {
        self.until(deadline, self.start(None, DescribeExport)).await
    }

    async fn until<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.host.outside.within(deadline, work).await.unwrap_or_else(|| Err(self.hit(Bound::Deadline)))
    }

    /// Runs one call on the threads where this provider's run.
    async fn start<E: Export>(
        self: &Arc<Self>,
        call: Option<(Call, Places)>,
        export: E,
    ) -> Result<E::Answer, Failure> {
        // Written twice, because a future of its size is dear to move.
        if self.trusted {
            Arc::clone(self).run(call, export).await
        } else {
            self.host.threads.run(Arc::clone(self).run(call, export)).await?
        }
    }

    /// Waits for a place among the tenant's calls, then for one among the provider's, so that a tenant which waits for
    /// itself takes none from the others.
    async fn places(&self, call: &Call, is_change: bool) -> Result<Places, Failure> {
        let clock = &self.host.outside.clock;
        let tenant = self.host.tenants.tenant(&call.tenant, &**clock);

        if !self.trusted
            && let Some(retry_after) = tenant.cpu_spent(clock.now())
        {
            return Err(Failure { retry_after: Some(retry_after), ..self.hit(Bound::TenantCpu) });
        }
        let tenants = self.place(&tenant.room, is_change, Bound::TenantInFlight).await?;
        let providers = self.place(&self.room, is_change, Bound::InFlight).await?;

        Ok(Places { tenant, _tenants: tenants, _providers: providers })
    }

    async fn place(&self, room: &Room, is_change: bool, bound: Bound) -> Result<Place, Failure> {
        let until = self.host.outside.clock.now() + self.host.options.wait;
        let place = self.host.outside.within(until, room.place(is_change)).await;

        place.flatten().ok_or_else(|| self.hit(bound))
    }

    /// Runs one call to its end, wherever it is polled. Dropping it throws the instance away.
    async fn run<E: Export>(
        self: Arc<Self>,
        call: Option<(Call, Places)>,
        export: E,
    ) -> Result<E::Answer, Failure> {
        let (call, places) = call.unzip();
        let precision = if self.trusted { Precision::Ticks } else { Precision::Exact };
        let meter = Arc::new(Meter::new(precision));
        let cost = Cost { component: Arc::clone(&self), meter, places };

        let serving = pin!(self.serve(call, export, &cost.meter));
        cost.meter.metered(serving).await
    }

    async fn serve<E: Export>(
        &self,
        call: Option<Call>,
        export: E,
        meter: &Arc<Meter>,
    ) -> Result<E::Answer, Failure> {
        let now = self.host.outside.clock.now();
        let tenant = call.as_ref().map(|call| call.tenant.clone());
        let mut instance = match tenant.as_ref().and_then(|tenant| self.idle.take(tenant, now)) {
            Some(idle) => idle.resumed(meter),
            None => self.instance(meter, now).await?,
        };
        instance.store.data_mut().serve(call);

        let answer = match export.call(&instance.world, &mut instance.store).await {
            Ok(answer) => answer,
            Err(trap) => return Err(self.trapped(&trap)),
        };

        instance.store.data_mut().serve(None);
        // What a guest still holds belonged to this call.
        if let Some(tenant) = tenant
            && instance.store.data().held.is_empty()
        {
            self.idle.put(&tenant, instance, now);
        }
        match answer {
            Ok(answer) if answer.longest() > self.guest.limits.result_bytes => {
                Err(self.hit(Bound::ResultBytes))
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(crate::convert::failure(&error)),
        }
    }

    async fn instance(&self, meter: &Arc<Meter>, now: Instant) -> Result<Instance, Failure> {
        let made = match self.instantiate(meter).await {
            // Idle instances are the only ones that need not be there.
            Err(full) if full.is::<PoolConcurrencyLimitError>() && self.host.clear_idle() => {
                self.instantiate(meter).await
            }
            made => made,
        };
        let (store, world) = made.map_err(|trap| self.trapped(&trap))?;
        self.guest.stats.instantiated();
        Ok(Instance::new(store, world, now))
    }

    async fn instantiate(&self, meter: &Arc<Meter>) -> wasmtime::Result<(Store<State>, World)> {
        let mut store = self.guest.store(&self.host.engine, meter);
        let world = self.world.instantiate(&mut store).await?;

        Ok((store, world))
    }

    fn trapped(&self, trap: &wasmtime::Error) -> Failure {
        if trap.is::<PoolConcurrencyLimitError>() {
            return self.hit(Bound::Instances);
        }

        self.guest.stats.trapped();
        if trap.is::<CpuSpent>() {
            return self.hit(Bound::Cpu);
        }
        let text = format!("{trap:#}");
        if trap.downcast_ref() == Some(&Trap::StackOverflow) {
            return self.hit(Bound::Stack);
        }
        let said = SAID.iter().find(|(words, _)| text.contains(words));
        if let Some((_, bound)) = said {
            return self.hit(*bound);
        }
        if matches!(trap.downcast_ref(), Some(ResourceTableError::Full)) || text.contains(HANDLES_SPENT) {
            return self.hit(Bound::Resources);
        }
        if let Some(I32Exit(status)) = trap.downcast_ref() {
            return Failure::new(FailureKind::Internal, format!("it ended itself, with the status {status}"));
        }
        Failure::new(FailureKind::Internal, format!("trap: {}", text::line(&text, text::MESSAGE)))
    }

    /// Counts a bound that was hit, and says what comes of it.
    fn hit(&self, bound: Bound) -> Failure {
        self.guest.stats.hit(bound);

        let (kind, retry_after) = match bound {
            Bound::InFlight | Bound::TenantCpu | Bound::TenantInFlight => {
                (FailureKind::Throttled, Some(RETRY_AFTER))
            }
            Bound::Cpu | Bound::Deadline => (FailureKind::Unavailable, None),
            Bound::Instances => (FailureKind::Unavailable, Some(RETRY_AFTER)),
            Bound::HostBytes
            | Bound::Log
            | Bound::Memory
            | Bound::Resources
            | Bound::ResultBytes
            | Bound::Stack => (FailureKind::Internal, None),
        };
        Failure { retry_after, ..Failure::new(kind, format!("bound `{bound}` was hit")) }
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("guest", &self.guest.name).finish_non_exhaustive()
    }
}

/// The places a call takes among others.
struct Places {
    tenant: Arc<Tenant>,
    _tenants: Place,
    _providers: Place,
}

/// What a call has cost, charged when it ends, however it ends.
struct Cost {
    component: Arc<Component>,
    meter: Arc<Meter>,
    places: Option<Places>,
}

impl Drop for Cost {
    fn drop(&mut self) {
        let used = self.meter.used();
        self.component.guest.stats.called(used, self.meter.host_calls());

        if let Some(places) = &self.places
            && !self.component.trusted
        {
            places.tenant.charge(used, self.component.host.outside.clock.now());
        }
    }
}

/// What wasmtime says when a guest hands over too much, or holds too many handles; the errors' types are not public.
const SAID: [(&str, Bound); 2] = [
    ("fuel allocated for hostcalls has been exhausted", Bound::HostBytes),
    ("store handle limit exceeded", Bound::Resources),
];

/// What wasmtime says when a guest would hold too many handles.
const HANDLES_SPENT: &str = "store handle limit exceeded";

/// When to come back if others were in the way.
const RETRY_AFTER: Duration = Duration::from_secs(1);
