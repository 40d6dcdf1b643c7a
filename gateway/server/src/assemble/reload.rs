//! Takes over a changed configuration while requests go on, or refuses it as a whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Error, Result, bail, ensure};
use keyport_core::Gateway;
use keyport_core::audit::Outcome;
use keyport_core::gateway::{Tenants, Versions};
use keyport_core::name::ProviderName;
use keyport_core::outside::Outside;
use tokio::sync::mpsc;

use super::changes;
use super::front;
use super::providers::Loader;
use super::signals::{Asked, Signals};
use super::{swap, tenants};
use crate::administration::{Administrator, KeyStanding, Order, Reloaded, Sought, Unchanged, What};
use crate::auth::Authenticator;
use crate::config::{Config, ConfigError, Environment, Mistakes};
use crate::contract::v1::Remembered;
use crate::route::{Route, Routes};
use crate::tls::{Certificates, Current};

/// What runs now, and where its configuration is read again.
#[derive(Debug)]
pub(super) struct Running {
    /// Where its configuration was read.
    pub(super) file: PathBuf,
    /// What runs now.
    pub(super) config: Config,
    /// Its providers.
    pub(super) providers: HashMap<ProviderName, Arc<Versions>>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) loader: Loader,
    pub(super) certificates: Arc<Certificates>,
    pub(super) routes: Arc<Routes>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) creates: Arc<Remembered>,
    pub(super) outside: Outside,
}

/// Everything that a reload exchanges, made and checked.
struct Next {
    config: Config,
    providers: HashMap<ProviderName, Arc<Versions>>,
    tenants: Tenants,
    authenticator: Arc<Authenticator>,
    routes: Vec<Route>,
    certificates: Current,
}

impl Running {
    /// Reloads whenever a signal or an administrator says so, until a signal says stop.
    pub(super) async fn until_stopped(&mut self, signals: &mut Signals, orders: &mut mpsc::Receiver<Order>) {
        loop {
            let order = tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => return,
                    Asked::Reload => Order { by: Administrator::Signal, what: What::Reload(None) },
                },
                Some(order) = orders.recv() => order,
            };

            let is_new = tokio::select! {
                () = signals.stop() => return,
                is_new = self.carry_out(order) => is_new,
            };
            if is_new {
                self.probe();
            }
        }
    }

    /// Does what is asked for; answers whether something is different now.
    async fn carry_out(&mut self, Order { by, what }: Order) -> bool {
        // Whoever does not wait for the outcome finds it in the log.
        match what {
            What::Reload(answer) => {
                let outcome = self.reload(by).await;
                let is_new = outcome.is_ok();
                drop(answer.map(|answer| answer.send(outcome)));
                is_new
            }
            What::Standings { sought, answer } => {
                let gateway = Arc::clone(&self.gateway);
                // Custodians take their time, and nobody else is to wait for it.
                self.outside.tasks.spawn(Box::pin(async move {
                    drop(answer.send(standings(&gateway, &sought).await));
                }));
                false
            }
            What::Change { provider, change, answer } => {
                let outcome = self.change(by, &provider, change).await.map_err(|error| unchanged(&error));
                let is_new = outcome.is_ok();
                drop(answer.send(outcome));
                is_new
            }
        }
    }

    /// Asks every provider how it is, in the background.
    fn probe(&self) {
        let gateway = Arc::clone(&self.gateway);

        self.outside.tasks.spawn(Box::pin(async move { gateway.probe().await }));
    }

    /// Reads the configuration and the certificates again. What is wrong with them is said, and changes nothing;
    /// requests in flight end on what they began with.
    async fn reload(&mut self, by: Administrator) -> Result<Reloaded, Unchanged> {
        match self.try_reload(by).await {
            Ok(reloaded) => {
                let (expires, changes) = (&reloaded.certificate_expires, &reloaded.changes);
                tracing::info!(%by, %expires, ?changes, "configuration and certificates reloaded");
                Ok(reloaded)
            }
            Err(error) => {
                tracing::error!(%by, "nothing is changed: {error:#}");
                let unchanged = unchanged(&error);
                let detail = format!("no reload, asked for by {by}: {}", short(&unchanged));
                if let Err(error) = self.gateway.configured(detail, Outcome::Refused).await {
                    tracing::error!(error = %error.detail(), "the refused reload cannot be recorded");
                }
                Err(unchanged)
            }
        }
    }

    async fn try_reload(&mut self, by: Administrator) -> Result<Reloaded> {
        let next = self.next().await?;
        let reloaded = Reloaded {
            file: absolute(&self.file),
            changes: changes::all(&self.config, &next.config),
            withdrawn: swap::withdrawn(&next.providers),
            certificate_expires: humantime::format_rfc3339_seconds(next.certificates.expires().system_time())
                .to_string(),
        };

        // The last that can fail: no change without its event.
        let detail = summary(by, &reloaded, &next.providers);
        let recorded = self.gateway.configured(detail, Outcome::Ok).await;
        recorded.context("it cannot be recorded")?;
        self.replace(next);
        Ok(reloaded)
    }

    /// What the file and the certificates say now, if the gateway can go on with that.
    async fn next(&self) -> Result<Next> {
        let config = Config::load(&self.file, &Environment::of_process())?;
        let fixed = changes::fixed(&self.config, &config);
        ensure!(fixed.is_empty(), "{} can only be changed by a restart", fixed.join(", "));

        let providers = self.next_versions(&config).await?;
        let tenants = tenants(&config, &providers);
        let stranded = self.gateway.stranded(&tenants).await?;
        if !stranded.is_empty() {
            let stranded: Vec<_> = stranded.iter().map(ToString::to_string).collect();
            bail!("keys would be stranded: {}; release or delete them first", stranded.join("; "));
        }
        let authenticator =
            super::authentication::authenticator(&config, Some(&self.authenticator), &self.outside)?;
        let routes = front::routes(&config, &self.gateway, &authenticator, &self.creates)?;
        let certificates = self.certificates.read()?;

        Ok(Next { config, providers, tenants, authenticator, routes, certificates })
    }

    fn replace(&mut self, next: Next) {
        let Next { config, providers, tenants, authenticator, routes, certificates } = next;
        self.certificates.replace(certificates);
        self.gateway.reload(tenants);
        self.routes.replace(routes);
        (self.config, self.providers, self.authenticator) = (config, providers, authenticator);
    }
}

/// What the reload's event says.
fn summary(
    by: Administrator,
    Reloaded { changes, withdrawn, certificate_expires, .. }: &Reloaded,
    providers: &HashMap<ProviderName, Arc<Versions>>,
) -> String {
    let mut told: Vec<_> = changes.iter().take(TOLD).cloned().collect();
    if let Some(more @ 1..) = changes.len().checked_sub(TOLD) {
        told.push(format!("and {more} more"));
    }

    let changes = if told.is_empty() { "nothing is different".to_owned() } else { told.join(", ") };
    let (withdrawn, providers) = (withdrawn.join("; "), super::summary(providers));
    let withdrawn = if withdrawn.is_empty() { withdrawn } else { format!("; {withdrawn}") };
    format!("reloaded by {by}: {changes}{withdrawn}; certificate expiring {certificate_expires}; {providers}")
}

/// How keys stand at their custodians.
async fn standings(gateway: &Gateway, sought: &Sought) -> Result<Vec<KeyStanding>, Unchanged> {
    let told = gateway.standings(&sought.tenant, &sought.which).await;
    let told = told.map_err(|error| unchanged(&error.into()))?;

    Ok(told.into_iter().map(KeyStanding::from).collect())
}

fn unchanged(error: &Error) -> Unchanged {
    let mistakes = match error.downcast_ref::<ConfigError>() {
        Some(ConfigError::Wrong(Mistakes { file, mistakes })) => {
            Some(Mistakes { file: absolute(file), mistakes: mistakes.clone() })
        }
        Some(ConfigError::Unreadable { .. }) | None => None,
    };

    Unchanged { error: format!("{error:#}"), mistakes }
}

/// A reason that fits into an event.
fn short(Unchanged { error, mistakes }: &Unchanged) -> String {
    match mistakes {
        Some(Mistakes { file, mistakes }) => format!("{} mistakes in {}", mistakes.len(), file.display()),
        None => error.chars().take(LONGEST_REASON).collect(),
    }
}

/// A path as it is understood in another process, too.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_nowhere| path.to_owned())
}

/// Changes that an event names one by one.
const TOLD: usize = 20;
/// In characters.
const LONGEST_REASON: usize = 500;
