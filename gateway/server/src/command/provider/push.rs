//! `keyport provider push`: puts a component into a registry.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::Login;
use crate::assemble::inspect::{Inspection, inspect};
use crate::command::{block_on, print};
use crate::component::{Destination, Packed, Signatures, Unsigned, push};

/// Put a component, and the signatures beside it, into a registry, and print how a provider names it there
#[derive(Args, Debug)]
pub(in crate::command) struct Push {
    /// The component
    component: PathBuf,
    /// Where to: oci://REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "PLACE")]
    place: Destination,
    #[command(flatten)]
    login: Login,
}

impl Push {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { component: file, place, login } = self;
        let credentials = login.credentials()?;
        let signatures = match Signatures::beside(&file) {
            Ok(signatures) => Some(signatures),
            Err(Unsigned::Missing { .. }) => None,
            Err(unsigned) => bail!("{unsigned}; {}", unsigned.mend()),
        };

        let artifact = block_on(async {
            let component = tokio::fs::read(&file).await;
            let component = component.with_context(|| format!("cannot read {}", file.display()))?;
            let Inspection { imports, exports, .. } = inspect(&file).await?;
            let imports: Vec<_> = imports.iter().map(|import| import.name.as_str()).collect();
            let signatures = signatures.map(|signatures| signatures.to_string());
            let packed = Packed::new(component, (&imports, &exports), signatures)?;
            Ok(push(&place, packed, credentials.as_ref()).await?)
        })?;
        print::line(format_args!("component = \"{artifact}\""));
        Ok(ExitCode::SUCCESS)
    }
}
