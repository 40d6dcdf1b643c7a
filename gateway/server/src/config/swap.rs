//! How a new version of a component takes over from the one that serves.

use std::path::Path;

use keyport_core::gateway::Watch;
use keyport_core::key::KeyName;
use keyport_core::name::{ComponentDigest, TenantId};

use super::component::Component;
use super::mistake::Problem;
use super::names::Names;
use super::provider::read_component;
use super::section::Section;
use super::value::{Value, duration, percent};

/// `[provider.swap]`: what a version that a reload brings has to show before it serves, and while it is new.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Swap {
    /// `probe-key`: a key of the provider's that a new version has to sign with before it serves.
    pub(crate) probe_key: Option<(TenantId, KeyName)>,
    /// `watch` and `error-rate`: for how long a new version goes back by itself when too many of its calls fail by its own
    /// fault, and how many percent are too many.
    pub(crate) watch: Watch,
}

/// `[provider.canary]`: another version, for a share of the calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Canary {
    /// `component`: what is loaded.
    pub(crate) component: Component,
    /// `sha256`: what its bytes must hash to.
    pub(crate) digest: Option<ComponentDigest>,
    /// `weight`: its share of the calls, in percent: 1 to 99.
    pub(crate) weight: u8,
}

impl Swap {
    pub(super) fn read(mut section: Section<'_>, names: &Names) -> Self {
        let usual = Watch::default();
        let probe_key = section.table("probe-key").and_then(|section| read_probe_key(section, names));
        let watch = Watch {
            window: section.or("watch", usual.window, duration),
            error_rate: section.or("error-rate", usual.error_rate, percent(100)),
        };
        section.end();

        Self { probe_key, watch }
    }
}

impl Canary {
    pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let (component, digest) = read_component(&mut section, folder);
        let weight = section.required("weight", "10", percent(99));
        section.end();

        Some(Self { component: component?, digest, weight: weight? })
    }
}

fn read_probe_key(mut section: Section<'_>, names: &Names) -> Option<(TenantId, KeyName)> {
    let tenant = section.required("tenant", "\"spirl\"", names.tenant());
    let key = section.required("key", "\"probe\"", key_name);
    section.end();

    tenant.zip(key)
}

fn key_name(value: &Value<'_>) -> Result<KeyName, Problem> {
    KeyName::new("key", value.text()?)
        .map_err(|rule| Problem::new(format!("{} is not a key's name", value.shown()), rule.to_string()))
}
