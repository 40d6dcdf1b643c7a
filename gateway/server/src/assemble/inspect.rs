//! A look at a component, as a gateway would load it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use keyport_core::name::ProviderName;
use keyport_host::Host;
pub(crate) use keyport_host::{Import, Inspection, Need};
use tokio::runtime::Handle;

use super::check::NoCustody;
use super::{COMPILER_MEMORY, providers};
use crate::outside::outside;

/// Looks at the component in `file`. It reaches nothing.
pub(crate) async fn inspect(file: &Path) -> Result<Inspection> {
    let bytes = tokio::fs::read(file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let options = providers::options(COMPILER_MEMORY);
    let host = Host::new(options, None, Arc::new(NoCustody), outside(Handle::current()))?;
    let name: ProviderName = "inspected".parse()?;

    let looked = host.inspect(name, bytes).await;
    looked.map_err(|refusal| anyhow::anyhow!("a provider of {} {refusal}", file.display()))
}
