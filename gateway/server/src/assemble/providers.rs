//! The components that are configured, loaded.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use keyport_core::custody::Capabilities;
use keyport_core::outside::Outside;
use keyport_core::provider::Loaded;
use keyport_host::{CodeCache, Compiler, Host, HostOptions, Instances, Limits, Source};

use crate::component::{Kept, Signatures, Unsigned};
use crate::config::{self, BuiltIn, Component, Config, ConfigError, Provider, SignedBy};
use crate::testdouble::{Calls, double};

/// What loads providers, and what test doubles among them tell what they are asked.
#[derive(Clone, Debug)]
pub(super) struct Loader {
    pub(super) host: Arc<Host>,
    pub(super) calls: Arc<Calls>,
    /// Components from registries.
    kept: Arc<Kept>,
    pub(super) outside: Outside,
}

impl Loader {
    /// One whose guests reach no more than `capabilities`, and that keeps what it compiles in `code`, if anywhere, and
    /// what it pulls in `kept`.
    pub(super) fn new(
        config: &Config,
        (code, kept): (Option<CodeCache>, Kept),
        capabilities: Arc<dyn Capabilities>,
        outside: &Outside,
    ) -> Result<Self> {
        let host = host(config, code, capabilities, outside)?;

        Ok(Self { host, calls: Arc::default(), kept: Arc::new(kept), outside: outside.clone() })
    }
}

fn host(
    config: &Config,
    code: Option<CodeCache>,
    capabilities: Arc<dyn Capabilities>,
    outside: &Outside,
) -> Result<Arc<Host>> {
    let options = HostOptions {
        instances: config.limits.instances,
        tenant_in_flight: config.limits.tenant_in_flight,
        tenant_cpu: config.limits.tenant_cpu,
        ..options(config.host.compiler_memory)
    };
    Ok(Host::new(options, code, capabilities, outside.clone())?)
}

/// The usual ones, with this very program as what compiles, in as much memory.
pub(super) fn options(compiler_memory: usize) -> HostOptions {
    let compiler = Compiler {
        // Another file may be in its place by now; that one's code may not be this one's.
        program: "/proc/self/exe".into(),
        arguments: vec!["compiler-host".to_owned()],
        memory: compiler_memory,
    };

    HostOptions { compiler: Some(compiler), ..HostOptions::default() }
}

/// The components from registries that are kept in the data folder, where more are put if `is_written`.
pub(super) fn kept(config: &Config, is_written: bool) -> Kept {
    Kept { folder: config.data.join(KEPT), is_written, limit: COMPONENT_SIZE }
}

/// Loads one provider.
pub(super) async fn load_one(provider: &Provider, loader: &Loader) -> Result<Loaded> {
    let Loader { host, calls, kept, outside } = loader;
    let loaded = host.load(source(provider, kept).await?).await?;
    let compiled = host.stats().iter().any(|stats| stats.id == loaded.id && stats.compiled);
    let loaded = match &provider.double {
        Some(conduct) => double(loaded, conduct.clone(), Arc::clone(calls), outside.clone()),
        None => loaded,
    };
    tracing::info!(
        provider = %loaded.name,
        component = %loaded.component,
        compiled,
        name = %loaded.descriptor.name,
        version = %loaded.descriptor.version,
        "provider loaded",
    );
    Ok(loaded)
}

async fn source(provider: &Provider, kept: &Kept) -> Result<Source> {
    let (bytes, trusted) = match &provider.component {
        Component::Oci(artifact) => {
            let pulled = kept.component(artifact).await;
            let pulled = pulled
                .with_context(|| format!("the component of provider `{}` cannot be had", provider.name))?;
            let signatures = pulled.signatures.as_deref();
            check_signatures(provider, (&pulled.component, artifact), || {
                Signatures::annotated(artifact, signatures)
            })?;
            (Cow::Owned(pulled.component), false)
        }
        local @ (Component::BuiltIn(_) | Component::File(_)) => bytes(local)
            .await
            .with_context(|| format!("the component of provider `{}` cannot be loaded", provider.name))?,
    };
    if let Component::File(file) = &provider.component {
        check_signatures(provider, (&bytes, file.display()), || Signatures::beside(file))?;
    }

    Ok(Source {
        name: provider.name.clone(),
        bytes,
        sha256: provider.digest.clone(),
        settings: provider.settings.clone(),
        grants: Arc::new(provider.grants.clone()),
        wasi: provider.wasi,
        limits: limits(&provider.limits),
        instances: match provider.instances {
            config::Instances::Fresh => Instances::Fresh,
            config::Instances::Reuse => Instances::REUSE,
        },
        trusted,
        required: provider.required,
    })
}

/// The bytes of a component, and whether it is our own.
pub(super) async fn bytes(component: &Component) -> Result<(Cow<'static, [u8]>, bool)> {
    match component {
        Component::BuiltIn(built_in) => Ok((Cow::Borrowed(carried(*built_in)), true)),
        Component::File(file) => {
            let bytes = tokio::fs::read(file).await;
            Ok((Cow::Owned(bytes.with_context(|| format!("cannot read {}", file.display()))?), false))
        }
        Component::Oci(artifact) => {
            bail!("{artifact} is in a registry: fetch it with `keyport provider pull`, and name the file")
        }
    }
}

/// Whether one of those who must have signed these very bytes did.
fn check_signatures(
    provider: &Provider,
    (bytes, name): (&[u8], impl Display),
    signatures: impl FnOnce() -> Result<Signatures, Unsigned>,
) -> Result<(), ConfigError> {
    let Some(SignedBy { signers, place }) = &provider.signed_by else { return Ok(()) };

    let signed = signatures().and_then(|signatures| signatures.signers(bytes, name, signers));
    let signed = signed.map_err(|unsigned| {
        let what = format!("`signed-by`: provider `{}`: {unsigned}", provider.name);
        place.mistake(what, unsigned.mend())
    })?;
    let signers = signed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    tracing::info!(provider = %provider.name, %signers, "the component is signed");
    Ok(())
}

/// What one call may use, as it is configured.
pub(super) fn limits(configured: &config::ProviderLimits) -> Limits {
    let default = Limits::default();
    Limits {
        cpu: configured.cpu.unwrap_or(default.cpu),
        memory: configured.memory.unwrap_or(default.memory),
        host_bytes: configured.message_size.unwrap_or(default.host_bytes),
        log_lines: configured.log_lines.unwrap_or(default.log_lines),
        in_flight: configured.in_flight.unwrap_or(default.in_flight),
        connections: configured.outbound_connections.unwrap_or(default.connections),
        ..default
    }
}

/// A component as the build made it.
fn carried(built_in: BuiltIn) -> &'static [u8] {
    match built_in {
        BuiltIn::AwsKms => include_bytes!(concat!(env!("OUT_DIR"), "/builtin/aws-kms.wasm")),
        BuiltIn::AzureKeyVault => {
            include_bytes!(concat!(env!("OUT_DIR"), "/builtin/azure-key-vault.wasm"))
        }
        BuiltIn::Derived => include_bytes!(concat!(env!("OUT_DIR"), "/builtin/derived.wasm")),
        BuiltIn::GcpKms => include_bytes!(concat!(env!("OUT_DIR"), "/builtin/gcp-kms.wasm")),
        BuiltIn::Pkcs11 => include_bytes!(concat!(env!("OUT_DIR"), "/builtin/pkcs11.wasm")),
        BuiltIn::RemoteKms => include_bytes!(concat!(env!("OUT_DIR"), "/builtin/remote-kms.wasm")),
        BuiltIn::Soft | BuiltIn::TestDouble => {
            include_bytes!(concat!(env!("OUT_DIR"), "/builtin/soft.wasm"))
        }
        BuiltIn::VaultTransit => include_bytes!(concat!(env!("OUT_DIR"), "/builtin/vault-transit.wasm")),
    }
}

/// Bytes of a component.
pub(crate) const COMPONENT_SIZE: usize = HostOptions::COMPONENT_SIZE;

/// Bytes of memory that compiling a component may take, where no configuration says otherwise.
pub(crate) const COMPILER_MEMORY: usize = Compiler::MEMORY;

/// In the data folder.
const KEPT: &str = "components";
