//! The hardened wasmtime engine, and the clock that interrupts what runs in it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
    WasmFeatures,
};

/// An engine with room for this many instances at a time.
pub(crate) fn engine(slots: u32) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots)))
        .async_stack_size(FIBER_STACK)
        .concurrency_support(false)
        .consume_fuel(false)
        .epoch_interruption(true)
        .generate_address_map(false)
        .max_wasm_stack(GUEST_STACK)
        .memory_init_cow(true)
        .native_unwind_info(false)
        .shared_memory(false)
        .signals_based_traps(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_features(REFUSED, false);

    Engine::new(&config)
}

fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MEMORIES))
        .total_stacks(slots)
        .total_tables(slots.saturating_mul(TABLES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        // Code with two, as it stands between parts of a component, imports them.
        .max_memories_per_module(1)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances an engine's epoch every [`TICK`] until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    _stop: Sender<()>,
}

impl Ticker {
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let (stop, stopped) = channel();
        thread::Builder::new().name("keyport-epoch".to_owned()).spawn(move || tick(&engine, &stopped))?;

        Ok(Self { _stop: stop })
    }
}

fn tick(engine: &Engine, stopped: &Receiver<()>) {
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        engine.increment_epoch();
    }
}

/// How long a guest may run before it has to let others run on its thread.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Everything the engine would take beyond WebAssembly 2.0 without SIMD's relaxed part, and the component model
/// beyond its first version; but for what toolchains emit: several memories in what stands between the parts of a
/// component.
///
/// Some of it is on by default even where wasmtime is built without it, and a guest that uses it then ends the
/// process (GHSA-rc4p-x33f-vpr2).
const REFUSED: WasmFeatures = WasmFeatures::CM64
    .union(WasmFeatures::CM_ASYNC)
    .union(WasmFeatures::CM_ASYNC_STACKFUL)
    .union(WasmFeatures::CM_ERROR_CONTEXT)
    .union(WasmFeatures::CM_FIXED_LENGTH_LISTS)
    .union(WasmFeatures::CM_GC)
    .union(WasmFeatures::CM_IMPLEMENTS)
    .union(WasmFeatures::CM_MAP)
    .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
    .union(WasmFeatures::CM_THREADING)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::WIDE_ARITHMETIC);

/// Bytes of stack for a guest's own frames; more is a trap.
const GUEST_STACK: usize = 512 << 10;

/// Bytes of the stack that a call runs on. Capabilities run on it too, on what the guest leaves: at least 1.5 MiB, where
/// a thread of tokio's has 2. An overflow there would end the process. Pages that nobody touches cost nothing.
const FIBER_STACK: usize = 2 << 20;

/// Bytes of a memory or table that stay mapped between two instances and are cleared by hand: cheaper than page
/// faults, as most guests touch less.
const KEEP_RESIDENT: usize = 256 << 10;

/// Core instances in a component: toolchains' own are 5 to 6, and a few more for each import; one in Python has 38.
const CORE_INSTANCES: u32 = 64;

/// Memories in a component, whose sum is limited: its own, and those of the stubs for WASI that toolchains link to it.
const MEMORIES: u32 = 3;

/// Tables in a component; a usual one has 2.
const TABLES: u32 = 8;
