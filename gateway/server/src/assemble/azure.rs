//! Vaults of Azure Key Vault in the backend's terms.

#[cfg(feature = "azure")]
pub(super) use with::opened;
#[cfg(not(feature = "azure"))]
pub(super) use without::opened;

#[cfg(feature = "azure")]
mod with {
    use std::sync::Arc;
    use std::time::Duration;

    use anyhow::Result;
    use keyport_backends::azure::{Azure, Connection, Login, Proof};
    use keyport_backends::cloud::{Rate, Rates, Template};
    use keyport_core::backend::Backend;
    use tokio::runtime::Handle;

    use crate::config::{self, AzureLogin, AzureProof};
    use crate::outside::outside;

    /// A vault's backend. Nothing is sent.
    pub(in crate::assemble) fn opened(vault: &config::Azure, doubt: Duration) -> Result<Arc<dyn Backend>> {
        let clock = outside(Handle::current()).clock;
        let tags = vault.tags.iter().map(|(name, text)| Ok((name.clone(), text.parse::<Template>()?)));

        let described = Connection {
            vault: vault.vault.clone(),
            prefix: vault.prefix.clone(),
            login: login(vault.login.clone()),
            resource: vault.resource.clone(),
            hsm: vault.hsm,
            tags: tags.collect::<Result<_>>()?,
            verify: vault.verify,
            settling: Connection::SETTLING,
            doubt,
            rates: rates(vault.rates, Connection::usual_rates(vault.hsm)),
            ca: vault.ca.clone(),
            proxy: vault.proxy.clone(),
        };
        Ok(Arc::new(Azure::open(described, clock)?))
    }

    fn login(login: AzureLogin) -> Login {
        match login {
            AzureLogin::Application { authority, tenant, client, proof } => {
                let proof = match proof {
                    AzureProof::Certificate { certificate, key } => Proof::Certificate { certificate, key },
                    AzureProof::Federated(file) => Proof::Federated(file),
                    AzureProof::Secret(file) => Proof::Secret(file),
                };
                Login::Application { authority, tenant, client, proof }
            }
            AzureLogin::Managed { client, metadata } => Login::Managed { client, metadata },
        }
    }

    /// What is configured, and for the rest what Azure allows.
    fn rates(configured: config::Rates, usual: Rates) -> Rates {
        let rate = |number: u32| Rate { per_second: f64::from(number), burst: number };

        Rates {
            sign: configured.sign.map(rate).or(usual.sign),
            read: configured.read.map(rate).or(usual.read),
            manage: configured.manage.map(rate).or(usual.manage),
        }
    }
}

#[cfg(not(feature = "azure"))]
mod without {
    use std::sync::Arc;
    use std::time::Duration;

    use anyhow::{Result, bail};
    use keyport_core::backend::Backend;

    use crate::config;

    pub(in crate::assemble) fn opened(_vault: &config::Azure, _doubt: Duration) -> Result<Arc<dyn Backend>> {
        bail!(
            "this keyport was built without connections of kind \"azure\": build it with `--features azure`"
        )
    }
}
