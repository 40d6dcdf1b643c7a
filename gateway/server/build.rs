//! Builds the providers that the binary carries, `$OUT_DIR/builtin/<name>.wasm`, and collects the sources that it gives to
//! authors of others.

mod vendor;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("..");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    vendor::write(&workspace, &out.join("vendor.rs"))?;
    let folder = out.join("builtin");
    fs::create_dir_all(&folder)?;

    for (name, package) in BUILTIN {
        let component =
            keyport_sdk_build::component(&workspace, package).map_err(|error| describe(&error))?;
        fs::write(folder.join(name).with_extension("wasm"), &component.bytes)?;
        print!("{}", component.rerun_if_changed());
    }

    Ok(())
}

/// What cargo shows of a build script's failure is its `Debug` form, where a text's newlines would be escaped.
fn describe(error: &dyn Error) -> String {
    for line in error.to_string().lines() {
        println!("cargo::error={line}");
    }
    match error.source() {
        Some(source) => format!("no built-in providers: {source}"),
        None => "no built-in providers".to_owned(),
    }
}

/// Each provider's name after `builtin:`, and its package.
const BUILTIN: [(&str, &str); 8] = [
    ("aws-kms", "keyport-guest-aws-kms"),
    ("azure-key-vault", "keyport-guest-azure-key-vault"),
    ("derived", "keyport-guest-derived"),
    ("gcp-kms", "keyport-guest-gcp-kms"),
    ("pkcs11", "keyport-guest-pkcs11"),
    ("remote-kms", "keyport-guest-remote-kms"),
    ("soft", "keyport-guest-soft"),
    ("vault-transit", "keyport-guest-vault-transit"),
];
