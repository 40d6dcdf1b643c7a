//! From a project's sources to its component, by the tools of its language.

mod go;
mod javascript;
mod python;
mod rust;
mod tool;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Language;

/// Tells somebody what takes its time.
pub(crate) type Say<'a> = &'a dyn Fn(&str);

/// Builds the project in `folder`; answers the component's file, which is named after it.
pub(crate) fn build(folder: &Path, say: Say<'_>) -> Result<PathBuf, BuildError> {
    match Language::of(folder) {
        Some(Language::Go) => go::build(folder, say),
        Some(Language::Js) => javascript::build(folder, say),
        Some(Language::Python) => python::build(folder, say),
        Some(Language::Rust) => rust::build(folder),
        None => Err(BuildError::NoProject(folder.to_owned())),
    }
}

fn read(path: PathBuf) -> Result<(PathBuf, String), BuildError> {
    match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(cause) => Err(BuildError::Read { path, cause }),
    }
}

/// Removes what was built before, so that nobody takes it for what is built now.
fn remove(file: &Path) -> Result<(), BuildError> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(BuildError::Write { path: file.to_owned(), cause })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// A tool says that it does not build.
    #[error("`{command}` failed:\n{output}")]
    Failed {
        /// The command.
        command: String,
        /// What it printed.
        output: String,
    },
    /// There is nothing to build.
    #[error("{} has no Cargo.toml, go.mod, package.json or pyproject.toml: `keyport provider new NAME` makes a project", .0.display())]
    NoProject(PathBuf),
    /// What is there is something else than a provider.
    #[error("{} is no provider's: that has {has}, as `keyport provider new NAME` makes it", manifest.display())]
    NoProvider {
        /// The project's own file.
        manifest: PathBuf,
        /// What is not in it.
        has: &'static str,
    },
    /// A tool is not installed.
    #[error("{tool} cannot be started: install {from}")]
    NoTool {
        /// Its name.
        tool: String,
        /// What brings it.
        from: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The tools said that all is well, and there is no component.
    #[error("`{command}` made no {}", file.display())]
    NotThere {
        /// The command.
        command: &'static str,
        /// What it should have made.
        file: PathBuf,
    },
    /// A tool is of a version that does not do.
    #[error("{tool} is {found}: install {from}")]
    OldTool {
        /// Its name.
        tool: &'static str,
        /// Its version.
        found: String,
        /// What does.
        from: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// What was compiled is no component, or could not be compiled.
    #[error(transparent)]
    Sdk(#[from] keyport_sdk_build::Error),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}
