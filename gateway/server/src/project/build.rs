//! From a project's sources to its component.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

/// Builds the project in `folder`; answers the component's file, which is named after it.
pub(crate) fn build(folder: &Path) -> Result<PathBuf, BuildError> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.exists() {
        return Err(BuildError::NoProject(folder.to_owned()));
    }

    let unreadable = |cause| BuildError::Read { path: manifest.clone(), cause };
    let text = std::fs::read_to_string(&manifest).map_err(unreadable)?;
    let package: Table = text.parse().map_err(|error| unreadable(io::Error::other(error)))?;
    let name = package.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    let name = name.ok_or_else(|| unreadable(io::Error::other("it has no package.name")))?;

    if !is_library(&package) {
        return Err(BuildError::NoProvider(manifest));
    }

    if !folder.join("Cargo.lock").exists() {
        lock(folder)?;
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

/// Chooses the versions of what the project depends on, as it is built for the first time.
fn lock(folder: &Path) -> Result<(), BuildError> {
    let output = Command::new("cargo").arg("generate-lockfile").current_dir(folder).output();
    let output = output.map_err(BuildError::NoCargo)?;

    if output.status.success() {
        return Ok(());
    }
    Err(BuildError::Lock(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// It does not build.
    #[error(transparent)]
    Build(#[from] keyport_sdk_build::Error),
    /// The versions of what it depends on cannot be chosen.
    #[error("cargo cannot choose the versions of what the project depends on:\n{0}")]
    Lock(String),
    /// Rust is not installed.
    #[error("cargo cannot be started: install Rust from https://rustup.rs")]
    NoCargo(#[source] io::Error),
    /// There is nothing to build.
    #[error("{} has no Cargo.toml: `keyport provider new NAME` makes a project", .0.display())]
    NoProject(PathBuf),
    /// What is there is something else than a provider.
    #[error("{} is no provider's: that has crate-type = [\"cdylib\"] in [lib], as `keyport provider new NAME` makes it", .0.display())]
    NoProvider(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The component cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}
