//! Builds a provider written in Rust into a component, and one in Go.
//!
//! A provider is a `cdylib` package of the workspace. [`component`] compiles it for
//! `wasm32-unknown-unknown` with the profile `guest` and wraps the module as a component, which then imports
//! the interfaces that it uses and nothing else. Neither the path of the workspace nor that of cargo's home
//! gets into it: the same sources give the same bytes on every machine, so a component can be pinned by its
//! digest.
//!
//! [`go_bindings`] and [`go_component`] are what stands before and after Go's own compiler.
//!
//! [`component`] runs in a build script as well as in a test or a tool:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let component = keyport_sdk_build::component("/home/me/providers".as_ref(), "my-provider")?;
//! std::fs::write("my-provider.wasm", &component.bytes)?;
//! # Ok(())
//! # }
//! ```

mod compile;
mod encode;
mod error;
mod go;

use std::path::{Path, PathBuf};

pub use crate::encode::encode;
pub use crate::error::{Error, Result};
pub use crate::go::{go_bindings, go_component};

/// A component, and what it was made of.
#[derive(Clone, Debug)]
pub struct Component {
    /// The component in its binary format.
    pub bytes: Vec<u8>,
    /// The files that it was built from, but for those of packages from a registry.
    pub inputs: Vec<PathBuf>,
}

impl Component {
    /// The lines by which a build script asks cargo to run it again when an input changes.
    #[must_use]
    pub fn rerun_if_changed(&self) -> String {
        self.inputs.iter().map(|input| format!("cargo::rerun-if-changed={}\n", input.display())).collect()
    }
}

/// Builds the package `package` of the workspace in the folder `workspace`.
///
/// Cargo gets a target folder of its own (`target/guests` in the workspace), so that an outer cargo can wait
/// for this one; it compiles only what changed. The workspace must define the profile `guest`, and its lock
/// file must be up to date.
///
/// # Errors
///
/// [`Error::TargetMissing`] where Rust's WebAssembly target is not installed; [`Error::Build`] with what cargo
/// said where the package does not build.
pub fn component(workspace: &Path, package: &str) -> Result<Component> {
    let module = compile::module(workspace, package)?;

    Ok(Component { bytes: encode(&module.bytes)?, inputs: module.inputs })
}
