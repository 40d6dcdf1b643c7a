//! A look at a component, as a gateway would load it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use keyport_core::name::{ComponentDigest, ProviderName};
use keyport_host::{Host, Refusal};
pub(crate) use keyport_host::{Import, Inspection, Limits, Need};
use tokio::runtime::Handle;

use super::check::NoCustody;
use super::{COMPILER_MEMORY, providers};
use crate::outside::outside;

/// What the component in `file` is pinned by, and its bytes.
pub(crate) async fn identify(file: &Path) -> Result<(ComponentDigest, usize)> {
    let bytes = read(file).await?;
    let digest = keyport_host::identify(&bytes);

    Ok((digest.map_err(|refusal| refused(file, &refusal))?, bytes.len()))
}

/// Looks at the component in `file`. It reaches nothing.
pub(crate) async fn inspect(file: &Path) -> Result<Inspection> {
    let bytes = read(file).await?;
    let options = providers::options(COMPILER_MEMORY);
    let host = Host::new(options, None, Arc::new(NoCustody), outside(Handle::current()))?;
    let name: ProviderName = "inspected".parse()?;

    let limits = Limits { cpu: CPU, memory: MEMORY, ..Limits::default() };
    let looked = host.inspect(name, bytes, limits).await;
    looked.map_err(|refusal| refused(file, &refusal))
}

async fn read(file: &Path) -> Result<Vec<u8>> {
    tokio::fs::read(file).await.with_context(|| format!("cannot read {}", file.display()))
}

fn refused(file: &Path, refusal: &Refusal) -> anyhow::Error {
    anyhow!("a provider of {} {refusal}", file.display())
}

/// What a component may take to say what it is: what a configuration may allow it, and more than one should need.
const CPU: Duration = Duration::from_secs(5);
const MEMORY: usize = 256 << 20;
