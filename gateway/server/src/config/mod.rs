//! The configuration file: read completely or not at all, and every mistake in it named at once.

mod audit;
mod aws;
mod azure;
mod component;
mod connection;
mod contract;
mod credential;
mod derived;
mod environment;
mod gcp;
mod host;
mod http;
mod issuer;
mod limits;
mod listen;
mod mistake;
mod names;
mod pkcs11;
mod provider;
mod publication;
mod quota;
mod rates;
mod section;
mod swap;
mod tenant;
mod testdouble;
mod value;
mod vault;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(crate) use audit::{Audit, Sync};
pub(crate) use aws::Aws;
#[cfg(feature = "aws")]
pub(crate) use aws::AwsCredentials;
pub(crate) use azure::Azure;
#[cfg(feature = "azure")]
pub(crate) use azure::{AzureLogin, AzureProof};
pub(crate) use component::{BuiltIn, Component};
pub(crate) use connection::{Connection, Custodian, MasterKey};
pub(crate) use contract::Contracts;
pub(crate) use credential::Presented;
pub(crate) use derived::Derived;
pub(crate) use environment::{Environment, variables};
pub(crate) use gcp::Gcp;
#[cfg(feature = "gcp")]
pub(crate) use gcp::{GcpCredentials, GcpProtection, GcpRsa};
pub(crate) use host::{Cache, Host};
pub(crate) use http::{Credential, Http, SecretSource};
pub(crate) use limits::Limits;
pub(crate) use listen::{Admin, Listen};
pub(crate) use mistake::Mistakes;
pub(crate) use pkcs11::{Pin, Pkcs11, Token};
pub(crate) use provider::{Instances, Limits as ProviderLimits, Provider, SignedBy};
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
pub(crate) use rates::Rates;
pub(crate) use swap::Canary;
pub(crate) use tenant::{ANONYMOUS, Tenant};
pub(crate) use testdouble::{TestDouble, Work};
pub(crate) use vault::Vault;
#[cfg(feature = "vault")]
pub(crate) use vault::VaultLogin;

use crate::auth::Issuer;
use mistake::Problem;
use names::Names;
use section::{Section, Source};

/// One configuration. Text in it may hold `${NAME}` and `${NAME:default}` for environment variables, `$${` for
/// `${` itself. Paths are relative to the file's folder.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `data`: the folder with the store, the audit log and a lock.
    pub(crate) data: PathBuf,
    /// `allow-testing`: whether `builtin:testdouble` can be loaded, and what it was asked be read.
    pub(crate) allow_testing: bool,
    /// `[listen]`: where callers connect.
    pub(crate) listen: Listen,
    /// `[admin]`: where health and metrics are read.
    pub(crate) admin: Admin,
    /// `[audit]`: how the audit log is kept.
    pub(crate) audit: Audit,
    /// `[master-key]`: what the embedded token's keys are sealed under. There is one if a connection needs it.
    pub(crate) master_key: Option<MasterKey>,
    /// `[[connection]]`: the custodians that can be granted.
    pub(crate) connections: Vec<Connection>,
    /// `[[provider]]`: the components that serve keys.
    pub(crate) providers: Vec<Provider>,
    /// `[[issuer]]`: whose tokens are accepted, by name.
    pub(crate) issuers: Vec<Issuer>,
    /// `[[tenant]]`: who may ask for what. At least one.
    pub(crate) tenants: Vec<Tenant>,
    /// `[contract]`: the wire APIs served.
    pub(crate) contracts: Contracts,
    /// `[host]`: how components are run.
    pub(crate) host: Host,
    /// `[limits]`: bounds on what the gateway does.
    pub(crate) limits: Limits,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The file was read, and is wrong.
    #[error(transparent)]
    Wrong(#[from] Mistakes),
}

impl Config {
    /// Reads `file`.
    pub(crate) fn load(file: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self::parse(&text_of(file)?, file, environment)?)
    }

    /// The data folder that `file` names, whatever else is wrong with it.
    pub(crate) fn data_folder(file: &Path, environment: &Environment) -> Result<PathBuf, ConfigError> {
        let data = |mut top: Section<'_>, folder: &Path| top.required("data", DATA, value::path(folder));

        Ok(parse(&text_of(file)?, file, environment, data)?)
    }

    /// Reads `text`, which stands in `file`.
    pub(crate) fn parse(text: &str, file: &Path, environment: &Environment) -> Result<Self, Mistakes> {
        parse(text, file, environment, Self::read)
    }

    fn read(mut top: Section<'_>, folder: &Path) -> Option<Self> {
        let data = top.required("data", DATA, value::path(folder));
        let allow_testing = top.or("allow-testing", false, value::truth);
        let listen = read_listen(&mut top, folder);
        let admin =
            top.table("admin").map(|section| Admin::read(section, listen.as_ref())).unwrap_or_default();
        let audit = top.table("audit").map(|section| Audit::read(section, folder)).unwrap_or_default();
        let names = Names::collect(&mut top);
        let connections = read_connections(&mut top, folder);
        let master_key = read_master_key(&mut top, folder, &connections);
        let limits = top.table("limits").map(Limits::read).unwrap_or_default();
        let host = Host::read(top.table("host"), folder);
        let contracts = read_contracts(&mut top);
        // Where [listen] cannot be read, it is not known that it has no authorities.
        let client_ca = listen.as_ref().map_or(Some(PathBuf::new()), |listen| listen.tls.client_ca.clone());
        let names =
            names.with_connections(connections).with_files(folder, client_ca).with_testing(allow_testing);
        let issuers = read_issuers(&mut top, folder);
        let providers = read_providers(&mut top, &names, folder);
        connection::check_replicas(&top, &names, &providers);
        derived::check_scopes(&top, names.connections(), &providers);
        let tenants = read_tenants(&mut top, &names, &providers);
        check_publications(&top, &tenants, contracts.as_ref());
        top.end();

        Some(Self {
            data: data?,
            allow_testing,
            listen: listen?,
            admin,
            audit,
            master_key,
            connections: names.into_connections(),
            providers,
            issuers,
            tenants,
            contracts: contracts?,
            host,
            limits,
        })
    }
}

fn text_of(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|cause| ConfigError::Unreadable { file: file.to_owned(), cause })
}

/// What `read` finds in `text`, unless there is a mistake in that.
fn parse<T>(
    text: &str,
    file: &Path,
    environment: &Environment,
    read: impl FnOnce(Section<'_>, &Path) -> Option<T>,
) -> Result<T, Mistakes> {
    let source = Source::new(file, text, environment);
    let (table, broken) = DeTable::parse_recoverable(text);
    for error in &broken {
        let at = error.span().map_or(0, |span| span.start);
        source.mistake(
            at,
            Problem::new(format!("this is not TOML: {}", error.message()), "see https://toml.io"),
        );
    }
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    // A text that is not TOML was read in part: whatever else it lacks may stand in the other part.
    let read = if broken.is_empty() { read(Section::top(&source, &table), folder) } else { None };

    match (read, source.into_mistakes()) {
        (Some(read), mistakes) if mistakes.is_empty() => Ok(read),
        (_, mistakes) => Err(Mistakes { file: file.to_owned(), mistakes }),
    }
}

fn read_listen(top: &mut Section<'_>, folder: &Path) -> Option<Listen> {
    if !top.has("listen") {
        top.missing("listen", "[listen] with an `address` and `tls`");
    }
    Listen::read(top.table("listen")?, folder)
}

fn read_connections(top: &mut Section<'_>, folder: &Path) -> Vec<Connection> {
    let mut taken = connection::Taken::default();
    let read = |section| Connection::read(section, folder, &mut taken);
    top.tables("connection").into_iter().filter_map(read).collect()
}

fn read_master_key(top: &mut Section<'_>, folder: &Path, connections: &[Connection]) -> Option<MasterKey> {
    let wanted = connections.iter().any(|connection| matches!(connection.custodian, Custodian::Soft { .. }));
    if wanted && !top.has("master-key") {
        top.missing(
            "master-key",
            "[master-key] with file = \"master.key\" (made by: keyport master-key new master.key): \
             a connection of kind \"soft\" seals its keys under it",
        );
    }
    MasterKey::read(top.table("master-key")?, folder)
}

fn read_contracts(top: &mut Section<'_>) -> Option<Contracts> {
    if !top.has("contract") {
        top.missing("contract", "[contract.webhook]");
    }
    top.table("contract").map(Contracts::read)
}

fn check_publications(top: &Section<'_>, tenants: &[Tenant], contracts: Option<&Contracts>) {
    let published = tenants.iter().find(|tenant| tenant.jwks.is_some());
    if let (Some(tenant), Some(Contracts { v1: None, .. })) = (published, contracts) {
        let what = format!("the key set of tenant `{}` is nowhere to be read", tenant.name);
        top.mistake_at("contract", Problem::new(what, "add [contract.v1], or remove [tenant.jwks]"));
    }
}

fn read_providers(top: &mut Section<'_>, names: &Names, folder: &Path) -> Vec<Provider> {
    let mut taken = BTreeSet::new();
    top.tables("provider")
        .into_iter()
        .filter_map(|section| Provider::read(section, names, folder, &mut taken))
        .collect()
}

fn read_issuers(top: &mut Section<'_>, folder: &Path) -> Vec<Issuer> {
    let mut taken = issuer::Taken::default();
    let mut issuers: Vec<_> = top
        .tables("issuer")
        .into_iter()
        .filter_map(|section| issuer::read(section, folder, &mut taken))
        .collect();
    // References give an issuer's place by name.
    issuers.sort_by(|one, other| one.name.cmp(&other.name));
    issuers
}

fn read_tenants(top: &mut Section<'_>, names: &Names, providers: &[Provider]) -> Vec<Tenant> {
    if !top.has("tenant") {
        top.missing("tenant", "a [[tenant]] with a `name`, a `provider` and callers");
    }
    let mut taken = tenant::Taken::default();
    top.tables("tenant")
        .into_iter()
        .filter_map(|section| Tenant::read(section, names, providers, &mut taken))
        .collect()
}

/// A data folder, as it may be written.
const DATA: &str = "\"./keyport-data\"";
