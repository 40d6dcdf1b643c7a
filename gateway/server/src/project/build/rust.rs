//! From a Rust crate to a component.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

use super::tool::run;
use super::{BuildError, read};
use crate::project::Language;

/// Builds the package in `folder`.
pub(super) fn build(folder: &Path) -> Result<PathBuf, BuildError> {
    let (manifest, text) = read(folder.join(Language::Rust.manifest()))?;
    let unreadable = |cause| BuildError::Read { path: manifest.clone(), cause };
    let package: Table = text.parse().map_err(|error| unreadable(io::Error::other(error)))?;
    let name = package.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    let name = name.ok_or_else(|| unreadable(io::Error::other("it has no package.name")))?;

    if !is_library(&package) {
        return Err(BuildError::NoProvider { manifest, has: "crate-type = [\"cdylib\"] in [lib]" });
    }

    // The versions of what it depends on are chosen as it is built for the first time.
    if !folder.join("Cargo.lock").exists() {
        run(Command::new("cargo").arg("generate-lockfile").current_dir(folder), RUST)?;
    }
    let component = keyport_sdk_build::component(folder, name)?;
    let file = folder.join(name).with_extension("wasm");
    std::fs::write(&file, component.bytes)
        .map_err(|cause| BuildError::Write { path: file.clone(), cause })?;
    Ok(file)
}

/// Whether a package is built into what a component is made of.
fn is_library(package: &Table) -> bool {
    let kinds = package.get("lib").and_then(|lib| lib.get("crate-type")).and_then(|kinds| kinds.as_array());

    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind.as_str() == Some("cdylib")))
}

const RUST: &str = "Rust from https://rustup.rs";
