//! Transit engines in the backend's terms.

#[cfg(test)]
#[cfg(feature = "vault")]
pub(super) use with::described;
#[cfg(feature = "vault")]
pub(super) use with::{check, opened};
#[cfg(not(feature = "vault"))]
pub(super) use without::{check, opened};

#[cfg(feature = "vault")]
mod with {
    use std::sync::Arc;

    use anyhow::Result;
    use keyport_backends::cloud::Rates;
    use keyport_backends::vault::{Connection, Login, Vault};
    use keyport_core::backend::Backend;

    use super::super::custodians::{DOUBT, Purpose};
    use super::super::rates::taken;
    use crate::config::{self, VaultLogin};

    /// Whether the engine could be opened. Nothing is sent.
    pub(in crate::assemble) fn check(engine: &config::Vault) -> Result<()> {
        Ok(Vault::check(&described(engine, None, Purpose::Try))?)
    }

    /// An engine's backend, which must be the one that `identity` tells.
    pub(in crate::assemble) fn opened(
        engine: &config::Vault,
        identity: Option<String>,
        purpose: Purpose,
    ) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(Vault::open(described(engine, identity, purpose))?))
    }

    pub(in crate::assemble) fn described(
        engine: &config::Vault,
        identity: Option<String>,
        purpose: Purpose,
    ) -> Connection {
        Connection {
            address: engine.address.clone(),
            ca: engine.ca.clone(),
            proxy: engine.proxy.clone(),
            namespace: engine.namespace.clone(),
            mount: engine.mount.clone(),
            create_mount: engine.create_mount,
            prefix: engine.prefix.clone(),
            login: login(engine.login.clone()),
            identity,
            verify: engine.verify,
            doubt: DOUBT,
            first: purpose == Purpose::Try,
            in_flight: engine.in_flight,
            rates: taken(engine.rates, Rates::default()),
        }
    }

    fn login(login: VaultLogin) -> Login {
        match login {
            VaultLogin::AppRole { mount, role_id, secret_id } => Login::AppRole { mount, role_id, secret_id },
            VaultLogin::Certificate { mount, role, certificate, key } => {
                Login::Certificate { mount, role, certificate, key }
            }
            VaultLogin::Jwt { mount, role, file } => Login::Jwt { mount, role, token: file },
            VaultLogin::Token(token) => Login::Token(token),
            VaultLogin::TokenFile(file) => Login::TokenFile(file),
        }
    }
}

#[cfg(not(feature = "vault"))]
mod without {
    use std::sync::Arc;

    use anyhow::{Result, bail};
    use keyport_core::backend::Backend;

    use super::super::custodians::Purpose;
    use crate::config;

    pub(in crate::assemble) fn check(_engine: &config::Vault) -> Result<()> {
        bail!(NOT_BUILT)
    }

    pub(in crate::assemble) fn opened(
        _engine: &config::Vault,
        _identity: Option<String>,
        _purpose: Purpose,
    ) -> Result<Arc<dyn Backend>> {
        bail!(NOT_BUILT)
    }

    const NOT_BUILT: &str =
        "this keyport was built without connections of kind \"vault\": build it with `--features vault`";
}
