//! What a call of one provider may cost.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::stats::Bound;
use crate::stats::Stats;

/// What a call of one provider may cost. How long it may take is the call's own deadline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// CPU time of one call, what the gateway computes on the guest's behalf included. Checked every 5 ms.
    pub cpu: Duration,
    /// Bytes of linear memory of one instance.
    pub memory: usize,
    /// Entries of all tables of one instance.
    pub table_elements: usize,
    /// Bytes that one call of an import or one answer may carry out of the guest.
    pub host_bytes: usize,
    /// Bytes of a signature, a public key or a handle.
    pub result_bytes: usize,
    /// Lines in the log, per second and tenant; those beyond are not written.
    pub log_lines: u32,
    /// Bytes of such lines, per second and tenant.
    pub log_bytes: u32,
    /// Calls at a time, over all tenants.
    pub in_flight: usize,
    /// Requests on their way to custodians at a time. Custody counts them: they may outlive their call.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(200),
            memory: 16 << 20,
            table_elements: 10_000,
            host_bytes: 1 << 20,
            result_bytes: 64 << 10,
            log_lines: 100,
            log_bytes: 64 << 10,
            in_flight: 64,
            connections: 64,
        }
    }
}

/// What one instance has left of its memory and tables.
#[derive(Debug)]
pub(crate) struct Room {
    whole: usize,
    memory: usize,
    table_elements: usize,
    stats: Arc<Stats>,
}

impl Room {
    pub(crate) fn new(limits: &Limits, stats: Arc<Stats>) -> Self {
        Self { whole: limits.memory, memory: limits.memory, table_elements: limits.table_elements, stats }
    }

    /// Takes `wanted` from `left`, or counts a refusal.
    fn take(stats: &Stats, left: &mut usize, wanted: usize) -> bool {
        match left.checked_sub(wanted) {
            Some(less) => {
                *left = less;
                true
            }
            None => {
                stats.hit(Bound::Memory);
                false
            }
        }
    }
}

impl ResourceLimiter for Room {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Growth that fails for another reason must not use up room.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let taken = Self::take(&self.stats, &mut self.memory, desired.saturating_sub(current));
        self.stats.has_memory(self.whole - self.memory);
        Ok(taken)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(Self::take(&self.stats, &mut self.table_elements, desired.saturating_sub(current)))
    }
}
