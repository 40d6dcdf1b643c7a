//! What tenants and callers may ask for.

use keyport_core::quota::Quota;

use super::section::Section;
use super::value::count;

/// `[tenant.quota]`: what a tenant may ask for as a whole. What is left out is not bounded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct TenantQuota {
    /// `requests-per-second`, `bytes-per-second`, `in-flight`.
    pub(crate) quota: Quota,
    /// `keys`: how many keys it may have that are not destroyed.
    pub(crate) keys: Option<usize>,
}

impl TenantQuota {
    pub(super) fn read(tenant: &mut Section<'_>) -> Self {
        let Some(mut section) = tenant.table("quota") else { return Self::default() };
        let quota = Self { quota: requests(&mut section), keys: section.optional("keys", count) };
        section.end();
        quota
    }
}

/// `[tenant.caller.quota]`: what one caller may ask for, within what its tenant may.
pub(super) fn of_caller(caller: &mut Section<'_>) -> Quota {
    let Some(mut section) = caller.table("quota") else { return Quota::default() };
    let quota = requests(&mut section);
    section.end();
    quota
}

fn requests(section: &mut Section<'_>) -> Quota {
    Quota {
        requests: section.optional("requests-per-second", count),
        bytes: section.optional("bytes-per-second", count),
        in_flight: section.optional("in-flight", count),
    }
}
