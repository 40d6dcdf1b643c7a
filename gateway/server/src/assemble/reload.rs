//! Takes over a changed configuration while requests go on, or refuses it as a whole.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use keyport_core::Gateway;
use keyport_core::name::ProviderName;
use keyport_core::outside::Outside;
use keyport_core::provider::Loaded;
use keyport_host::Host;

use super::front;
use super::{providers, tenants};
use crate::auth::Authenticator;
use crate::config::{Config, Environment};
use crate::route::Routes;
use crate::tls::Certificates;

/// What runs now, and where its configuration is read again.
#[derive(Debug)]
pub(super) struct Running {
    /// Where its configuration was read.
    pub(super) file: PathBuf,
    /// What runs now.
    pub(super) config: Config,
    /// Its providers.
    pub(super) providers: HashMap<ProviderName, Arc<Loaded>>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) host: Arc<Host>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) routes: Arc<Routes>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) outside: Outside,
}

impl Running {
    /// Reads the configuration and the certificates again. What is wrong with them is said, and changes nothing;
    /// requests in flight end on what they began with.
    pub(super) async fn reload(&mut self) {
        if let Err(error) = self.try_reload().await {
            tracing::error!("nothing is changed: {error:#}");
            return;
        }

        let expires = humantime::format_rfc3339_seconds(self.certificates.expires().system_time());
        tracing::info!(%expires, "configuration and certificates reloaded");
        let detail = format!("reloaded, {}, certificate expiring {expires}", super::summary(&self.providers));
        if let Err(error) = self.gateway.configured(detail).await {
            tracing::error!(error = %error.detail(), "the reload cannot be recorded");
        }
        self.gateway.probe().await;
    }

    async fn try_reload(&mut self) -> Result<()> {
        let config = Config::load(&self.file, &Environment::of_process())?;
        let fixed = fixed_changes(&self.config, &config);
        ensure!(fixed.is_empty(), "{} can only be changed by a restart", fixed.join(", "));

        let providers = self.load(&config).await?;
        let tenants = tenants(&config, &providers);
        let stranded = self.gateway.stranded(&tenants).await?;
        if !stranded.is_empty() {
            let stranded: Vec<_> = stranded.iter().map(ToString::to_string).collect();
            bail!("keys would be stranded: {}; release or delete them first", stranded.join("; "));
        }
        let authenticator =
            super::authentication::authenticator(&config, Some(&self.authenticator), &self.outside)?;
        let routes = front::routes(&config, &self.gateway, &authenticator, &self.outside)?;
        // The last that can fail.
        self.certificates.reload()?;

        self.gateway.reload(tenants);
        self.routes.replace(routes);
        (self.config, self.providers, self.authenticator) = (config, providers, authenticator);
        Ok(())
    }

    /// The providers of `config`: those that run already where nothing about them changed, and the others newly
    /// loaded.
    async fn load(&self, config: &Config) -> Result<HashMap<ProviderName, Arc<Loaded>>> {
        let mut loaded = HashMap::new();
        for provider in &config.providers {
            let before = self.config.providers.iter().find(|before| *before == provider);
            let running = before.and_then(|before| self.providers.get(&before.name));
            let provider = match running {
                Some(running) => Arc::clone(running),
                None => Arc::new(providers::load_one(provider, &self.host).await?),
            };
            loaded.insert(provider.name.clone(), provider);
        }

        Ok(loaded)
    }
}

/// The parts that differ and that a running gateway cannot exchange.
fn fixed_changes(before: &Config, after: &Config) -> Vec<&'static str> {
    let parts = [
        ("data", before.data == after.data),
        ("[listen]", before.listen == after.listen),
        ("[admin]", before.admin == after.admin),
        ("[audit]", before.audit == after.audit),
        ("[master-key]", before.master_key == after.master_key),
        ("[[connection]]", before.connections == after.connections),
        ("[limits]", before.limits == after.limits),
        (
            "client-ca",
            super::authentication::client_authorities(before)
                == super::authentication::client_authorities(after),
        ),
    ];

    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}
