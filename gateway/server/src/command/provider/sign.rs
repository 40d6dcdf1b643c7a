//! `keyport provider sign`: puts a signature beside a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::assemble::read_secret;
use crate::command::print::{self, GOOD, Painted};
use crate::component::{Signatures, SigningKey, Unsigned, file_beside};

/// Sign a component: adds a signature to the file COMPONENT.sig
#[derive(Args, Debug)]
pub(in crate::command) struct Sign {
    /// The component
    component: PathBuf,
    /// The private key, made by `keyport provider key new`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl Sign {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { component, key } = self;
        let key = signing_key(&key)?;
        let bytes = fs::read(&component).with_context(|| format!("cannot read {}", component.display()))?;
        let mut signatures = match Signatures::beside(&component) {
            Ok(signatures) => signatures,
            Err(Unsigned::Missing { .. }) => Signatures::default(),
            Err(unsigned) => bail!("{unsigned}; {}", unsigned.mend()),
        };

        signatures.sign(&bytes, &key);
        let file = file_beside(&component);
        replace(&file, &signatures.to_string())
            .with_context(|| format!("{} cannot be written", file.display()))?;
        print::line(format_args!("{} {} as {}", Painted(GOOD, "signed"), file.display(), key.signer()));
        Ok(ExitCode::SUCCESS)
    }
}

fn signing_key(file: &Path) -> Result<SigningKey> {
    let pem = read_secret(file, "the signing key", LONGEST_KEY)?;

    SigningKey::from_pem(&pem).with_context(|| format!("{} cannot be used", file.display()))
}

/// Writes a file that anybody may read: the old one or the new one, whenever the machine stops.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let temporary = file.with_added_extension("new");
    fs::write(&temporary, text)?;

    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(temporary, file)
}

/// Bytes that are read of a key's file; the right one has 119.
const LONGEST_KEY: usize = 4096;
