//! From Go to a component, by Go's own compiler.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::{run, version};
use super::{BuildError, Say, read, remove};
use crate::project::Language;

/// Writes the bindings, compiles the module and wraps it.
pub(super) fn build(folder: &Path, say: Say<'_>) -> Result<PathBuf, BuildError> {
    let (manifest, text) = read(folder.join(Language::Go.manifest()))?;
    let name = text.lines().find_map(|line| line.strip_prefix("module ")).map(str::trim);
    let (Some(name), true) = (name, text.contains(RUNTIME)) else {
        return Err(BuildError::NoProvider {
            manifest,
            has: "a module's name, and go.bytecodealliance.org/pkg among what it requires",
        });
    };

    let found = run(go(folder).arg("version"), GO)?;
    if version(&found).is_none_or(|found| found < OLDEST) {
        return Err(BuildError::OldTool { tool: "go", found: found.trim().to_owned(), from: GO });
    }
    let wit = folder.join("wit");
    bind(&wit, name, &folder.join("bindings"))?;

    let file = folder.join(name).with_extension("wasm");
    remove(&file)?;
    say("compiling");
    let module = tempfile::NamedTempFile::new()
        .map_err(|cause| BuildError::Write { path: std::env::temp_dir(), cause })?;
    let flags = ["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w -checklinkname=0", "-o"];
    run(go(folder).args(flags).args([module.path().as_os_str(), OsStr::new(".")]), GO)?;
    let module = fs::read(module.path())
        .map_err(|cause| BuildError::Read { path: module.path().to_owned(), cause })?;

    let component = keyport_sdk_build::go_component(module, &wit)?;
    fs::write(&file, component).map_err(|cause| BuildError::Write { path: file.clone(), cause })?;
    Ok(file)
}

/// Writes the package that binds the module to the WIT package.
fn bind(wit: &Path, module: &str, folder: &Path) -> Result<(), BuildError> {
    for (path, text) in keyport_sdk_build::go_bindings(wit, module)? {
        let path = folder.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.map_err(|cause| BuildError::Write { path, cause })?;
    }

    Ok(())
}

fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    // What the component's own runtime is compiled for is answered within the component.
    command.current_dir(folder).env("GOOS", "wasip1").env("GOARCH", "wasm");
    command
}

/// What the bindings are written for.
const RUNTIME: &str = "go.bytecodealliance.org/pkg";
/// The oldest version that this package builds with.
const OLDEST: (u32, u32) = (1, 25);
const GO: &str = "Go 1.25 or newer, from https://go.dev or your distribution";
