//! How keys stand at their custodians, as an administrator asks and is told.

use keyport_core::Failure;
use keyport_core::backend::KeyState;
use keyport_core::gateway::{Standing, Which};
use keyport_core::key::KeyName;
use keyport_core::name::{ConnectionName, TenantId};
use keyport_core::outside::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::request::percent_decoded;

/// Keys that somebody asks about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Sought {
    /// Whose they are.
    pub(crate) tenant: TenantId,
    /// Which of them.
    pub(crate) which: Which,
}

impl Sought {
    /// The path that asks about them.
    pub(super) fn path(&self) -> String {
        match &self.which {
            Which::Id(id) => format!("/tenants/{}/ids/{id}/state", self.tenant),
            Which::Name(name) => {
                let name = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC);
                format!("/tenants/{}/keys/{name}/state", self.tenant)
            }
        }
    }

    /// What a path asks about.
    pub(super) fn of(path: &str) -> Option<Self> {
        let parts: Vec<_> = path.split('/').collect();
        let ["", "tenants", tenant, kind, key, "state"] = parts.as_slice() else { return None };
        let which = match *kind {
            "ids" => Which::Id(key.parse().ok()?),
            "keys" => Which::Name(KeyName::new("name", &percent_decoded(key)?).ok()?),
            _ => return None,
        };

        Some(Self { tenant: tenant.parse().ok()?, which })
    }
}

/// How a key stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct KeyStanding {
    /// The key's id.
    pub(crate) id: String,
    /// Its state in this gateway.
    pub(crate) state: String,
    /// What each custodian of it says.
    pub(crate) custodians: Vec<AtCustodian>,
}

/// How a key stands at a custodian.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct AtCustodian {
    /// The connection to it.
    pub(crate) connection: String,
    /// Its word for that; none where it does not say.
    pub(crate) state: Option<String>,
    /// Until when its deletion can be taken back, as in RFC 3339.
    pub(crate) until: Option<String>,
    /// Why it does not say.
    pub(crate) failure: Option<String>,
}

impl From<Standing> for KeyStanding {
    fn from(Standing { key, custodians }: Standing) -> Self {
        let custodian = |(connection, told): (ConnectionName, Result<KeyState, Failure>)| AtCustodian {
            connection: connection.to_string(),
            state: told.as_ref().ok().map(|state| state.as_str().to_owned()),
            until: told.as_ref().ok().and_then(until),
            failure: told.err().map(|failure| failure.to_string()),
        };

        Self {
            id: key.id.to_string(),
            state: key.state.as_str().to_owned(),
            custodians: custodians.into_iter().map(custodian).collect(),
        }
    }
}

/// When a deletion comes, if it is one and the custodian says so. What is beyond the year 9999 nobody waits for.
fn until(state: &KeyState) -> Option<String> {
    match state {
        KeyState::PendingDeletion(Some(time)) if *time <= LAST => {
            Some(humantime::format_rfc3339_seconds(time.system_time()).to_string())
        }
        KeyState::PendingDeletion(_)
        | KeyState::Enabled
        | KeyState::Disabled
        | KeyState::Pending
        | KeyState::Gone
        | KeyState::Unavailable => None,
    }
}

/// 9999-12-31T23:59:59Z.
const LAST: Timestamp = Timestamp(253_402_300_799_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_about_the_keys_that_it_was_made_for() {
        let id = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let named = |name| Which::Name(KeyName::new("name", name).unwrap());

        for which in [Which::Id(id), named("a"), named("a/b ü%2F?#"), named("..")] {
            let sought = Sought { tenant: "acme".parse().unwrap(), which };
            assert_eq!(Sought::of(&sought.path()), Some(sought));
        }
    }

    #[test]
    fn other_paths_ask_about_nothing() {
        for path in [
            "/tenants/acme/keys/a",
            "/tenants/acme/keys//state",
            "/tenants/acme/keys/a/b/state",
            "/tenants/acme/keys/%ff/state",
            "/tenants/acme/keys/%0a/state",
            "/tenants/acme/ids/0123/state",
            "/tenants/No One/keys/a/state",
            "/tenants/acme/rows/a/state",
            "tenants/acme/keys/a/state",
        ] {
            assert_eq!(Sought::of(path), None, "{path}");
        }
    }

    #[test]
    fn a_time_that_no_calendar_has_is_left_out() {
        let told = |millis| until(&KeyState::PendingDeletion(Some(Timestamp(millis))));

        assert_eq!(told(1_800_000_000_500).as_deref(), Some("2027-01-15T08:00:00Z"));
        assert_eq!(told(LAST.0).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(told(LAST.0 + 1_000), None);
        assert_eq!(told(u64::MAX), None);
    }
}
