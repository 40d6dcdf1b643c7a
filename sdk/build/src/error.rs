//! Why there is no component.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// What this crate returns.
pub type Result<T> = core::result::Result<T, Error>;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package did not build.
    #[error("cargo could not build {package} ({status}):\n{output}")]
    Build {
        /// The package.
        package: String,
        /// How cargo ended.
        status: ExitStatus,
        /// What cargo wrote.
        output: String,
    },

    /// The module could not be wrapped as a component.
    #[error("the module is not one that can be made a component: {0:#}")]
    Encode(Box<dyn core::error::Error + Send + Sync>),

    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A program could not be started.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },

    /// The Rust compiler did not say what was asked of it.
    #[error("{program} did not answer as a Rust compiler does: {output}")]
    Rustc {
        /// The program.
        program: String,
        /// What it wrote.
        output: String,
    },

    /// Rust's WebAssembly target is not installed.
    #[error(
        "Rust's WebAssembly target is missing; install it with `rustup target add wasm32-unknown-unknown`"
    )]
    TargetMissing,
}
