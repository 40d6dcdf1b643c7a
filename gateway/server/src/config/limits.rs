//! Bounds on what the gateway does for everybody together, and for each tenant.

use std::time::Duration;

use super::section::Section;
use super::value::{count, duration};

/// `[limits]`: bounds on what the gateway does for everybody together, and for each tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// `create-timeout`: how long making a key may take; a caller waits no longer than its request's time.
    pub(crate) create_timeout: Duration,
    /// `refusals-per-minute`: how many refusals of one caller the audit log records one by one; further ones are
    /// counted and summed up, so that nobody can fill the disk.
    pub(crate) refusals_per_minute: u32,
    /// `instances`: how many instances of components there may be at once.
    pub(crate) instances: u32,
    /// `tenant-in-flight`: calls of components at once for one tenant.
    pub(crate) tenant_in_flight: usize,
    /// `tenant-cpu`: computing time per second that one tenant's components from outside get.
    pub(crate) tenant_cpu: Duration,
    /// `tenant-outbound-connections`: requests that one tenant's components may have on their way at once.
    pub(crate) tenant_outbound_connections: usize,
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let limits = Self {
            create_timeout: section.or("create-timeout", default.create_timeout, duration),
            refusals_per_minute: section.or("refusals-per-minute", default.refusals_per_minute, count),
            instances: section.or("instances", default.instances, count),
            tenant_in_flight: section.or("tenant-in-flight", default.tenant_in_flight, count),
            tenant_cpu: section.or("tenant-cpu", default.tenant_cpu, duration),
            tenant_outbound_connections: section.or(
                "tenant-outbound-connections",
                default.tenant_outbound_connections,
                count,
            ),
        };
        section.end();
        limits
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            create_timeout: Duration::from_secs(120),
            refusals_per_minute: 600,
            instances: 256,
            tenant_in_flight: 32,
            tenant_cpu: Duration::from_millis(500),
            tenant_outbound_connections: 32,
        }
    }
}
