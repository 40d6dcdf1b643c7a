//! `keyport provider verify`: whether somebody signed a component.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::command::print::{self, GOOD, Painted};
use crate::component::{Signatures, Signer};

/// Find out whether one of these keys signed a component
#[derive(Args, Debug)]
pub(in crate::command) struct Verify {
    /// The component; its signatures stand in COMPONENT.sig
    component: PathBuf,
    /// The public keys, as `keyport provider key new` prints them; any one that signed is enough
    #[arg(long = "key", value_name = "PUBLIC", num_args = 1.., required = true)]
    keys: Vec<Signer>,
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { component, keys } = self;
        let bytes = fs::read(&component).with_context(|| format!("cannot read {}", component.display()))?;
        let signed = Signatures::beside(&component)
            .and_then(|signatures| signatures.signers(&bytes, component.display(), &keys))
            .map_err(|unsigned| anyhow!("{unsigned}\n    {}", unsigned.mend().replace('\n', "\n    ")))?;

        for signer in signed {
            print::line(format_args!(
                "{} {} is signed by {signer}",
                Painted(GOOD, "ok"),
                component.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
