//! Vaults of Azure Key Vault in the backend's terms.

#[cfg(test)]
#[cfg(feature = "azure")]
pub(super) use with::described;
#[cfg(feature = "azure")]
pub(super) use with::opened;
#[cfg(not(feature = "azure"))]
pub(super) use without::opened;

#[cfg(feature = "azure")]
mod with {
    use std::sync::Arc;

    use anyhow::Result;
    use keyport_backends::azure::{Azure, Connection, Login, Proof};
    use keyport_backends::cloud::Template;
    use keyport_core::backend::Backend;
    use tokio::runtime::Handle;

    use super::super::custodians::{DOUBT, Purpose};
    use super::super::rates::taken;
    use crate::config::{self, AzureLogin, AzureProof};
    use crate::outside::outside;

    /// A vault's backend. Nothing is sent.
    pub(in crate::assemble) fn opened(vault: &config::Azure, purpose: Purpose) -> Result<Arc<dyn Backend>> {
        let clock = outside(Handle::current()).clock;

        Ok(Arc::new(Azure::open(described(vault, purpose)?, clock)?))
    }

    pub(in crate::assemble) fn described(vault: &config::Azure, purpose: Purpose) -> Result<Connection> {
        let tags = vault.tags.iter().map(|(name, text)| Ok((name.clone(), text.parse::<Template>()?)));

        Ok(Connection {
            vault: vault.vault.clone(),
            prefix: vault.prefix.clone(),
            login: login(vault.login.clone()),
            resource: vault.resource.clone(),
            hsm: vault.hsm,
            tags: tags.collect::<Result<_>>()?,
            verify: vault.verify,
            settling: Connection::SETTLING,
            doubt: DOUBT,
            first: purpose == Purpose::Try,
            rates: taken(vault.rates, Connection::usual_rates(vault.hsm)),
            ca: vault.ca.clone(),
            proxy: vault.proxy.clone(),
        })
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
}

#[cfg(not(feature = "azure"))]
mod without {
    use std::sync::Arc;

    use anyhow::{Result, bail};
    use keyport_core::backend::Backend;

    use super::super::custodians::Purpose;
    use crate::config;

    pub(in crate::assemble) fn opened(_vault: &config::Azure, _purpose: Purpose) -> Result<Arc<dyn Backend>> {
        bail!(
            "this keyport was built without connections of kind \"azure\": build it with `--features azure`"
        )
    }
}
