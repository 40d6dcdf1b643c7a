//! From Python to a component, by componentize-py in a virtual environment of the project's own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use super::tool::{run, version};
use super::{BuildError, Say, read, remove};
use crate::project::Language;

/// Installs what the project depends on, if it is not there, and builds it.
pub(super) fn build(folder: &Path, say: Say<'_>) -> Result<PathBuf, BuildError> {
    let (manifest, text) = read(folder.join(Language::Python.manifest()))?;
    let project: Table = text
        .parse()
        .map_err(|error| BuildError::Read { path: manifest.clone(), cause: io::Error::other(error) })?;
    let own = project.get("project").and_then(|project| project.get("name")).and_then(Value::as_str);
    let ours = project.get("tool").and_then(|tool| tool.get("keyport"));
    let module = ours.and_then(|keyport| keyport.get("module")).and_then(Value::as_str);
    let (Some(name), Some(module)) = (own, module) else {
        return Err(BuildError::NoProvider {
            manifest,
            has: "name in [project], and in [tool.keyport] the module of its class Provider",
        });
    };

    let environment = std::path::absolute(folder.join(ENVIRONMENT))
        .map_err(|cause| BuildError::Read { path: folder.to_owned(), cause })?;
    if !environment.join(TOOL).exists() {
        say("installing what requirements.txt has, into .venv");
        install(folder, &environment)?;
    }
    let file_name = format!("{name}.wasm");
    let file = folder.join(&file_name);
    remove(&file)?;
    say("building, which takes some seconds");
    bind(folder, &environment)?;
    let arguments = ["componentize", "--stub-wasi", "--python-path", "src", "--output"];
    run(componentize(folder, &environment).args(arguments).args([file_name.as_str(), module]), PYTHON)?;
    if file.exists() { Ok(file) } else { Err(BuildError::NotThere { command: TOOL, file }) }
}

/// Makes the virtual environment.
fn install(folder: &Path, environment: &Path) -> Result<(), BuildError> {
    let found = run(Command::new("python3").arg("--version"), PYTHON)?;
    if version(&found).is_none_or(|found| found < OLDEST) {
        return Err(BuildError::OldTool { tool: "python3", found: found.trim().to_owned(), from: PYTHON });
    }

    run(Command::new("python3").args(["-m", "venv"]).arg(environment), PYTHON)?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"]);
    run(pip.current_dir(folder), PYTHON).map(drop)
}

/// Writes what `wit_world` is, for the project's tests and for editors, in place of what was there.
fn bind(folder: &Path, environment: &Path) -> Result<(), BuildError> {
    let bindings = environment.join("bindings");
    match fs::remove_dir_all(&bindings) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            return Err(BuildError::Write { path: bindings, cause });
        }
        Ok(()) | Err(_) => {}
    }

    run(componentize(folder, environment).arg("bindings").arg(bindings), PYTHON).map(drop)
}

fn componentize(folder: &Path, environment: &Path) -> Command {
    let mut command = Command::new(environment.join(TOOL));
    command.args(["--quiet", "--wit-path", "wit"]).current_dir(folder);
    // Its own traces would bury what it has to say about the project.
    command.env("VIRTUAL_ENV", environment).env("RUST_BACKTRACE", "0");
    command
}

const ENVIRONMENT: &str = ".venv";
/// In the environment.
const TOOL: &str = "bin/componentize-py";
/// The oldest version of Python that the bindings of componentize-py run on.
const OLDEST: (u32, u32) = (3, 11);
const PYTHON: &str = "Python 3.11 or newer, with venv and pip, from https://python.org or your distribution";
