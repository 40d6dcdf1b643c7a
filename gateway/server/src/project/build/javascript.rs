//! From JavaScript to a component, by the project's own script `build`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::tool::{run, version};
use super::{BuildError, Say, read, remove};
use crate::project::Language;

/// Installs what the project depends on, if it is not there, and builds it.
pub(super) fn build(folder: &Path, say: Say<'_>) -> Result<PathBuf, BuildError> {
    let (manifest, text) = read(folder.join(Language::Js.manifest()))?;
    let package: Package = serde_json::from_str(&text)
        .map_err(|error| BuildError::Read { path: manifest.clone(), cause: io::Error::other(error) })?;
    let Package { name: Some(name), scripts: Scripts { build: Some(_) } } = package else {
        return Err(BuildError::NoProvider { manifest, has: "a name, and \"build\" in its scripts" });
    };

    let found = run(Command::new("node").arg("--version"), NODE)?;
    if version(&found).is_none_or(|found| found < OLDEST) {
        return Err(BuildError::OldTool { tool: "node", found: found.trim().to_owned(), from: NODE });
    }
    // npm writes this file when it has installed everything. `npm ci` would want a lock file that has the packages for all
    // platforms, and not every registry has those.
    if !folder.join("node_modules/.package-lock.json").exists() {
        say("installing what package.json has, into node_modules");
        npm(folder, &["install", "--no-audit", "--no-fund"])?;
    }

    let file = folder.join(name).with_extension("wasm");
    remove(&file)?;
    npm(folder, &["run", "--silent", "build"])?;
    if file.exists() { Ok(file) } else { Err(BuildError::NotThere { command: "npm run build", file }) }
}

/// What is read of a package.json.
#[derive(Debug, Deserialize)]
struct Package {
    name: Option<String>,
    #[serde(default)]
    scripts: Scripts,
}

#[derive(Debug, Default, Deserialize)]
struct Scripts {
    build: Option<String>,
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<String, BuildError> {
    run(Command::new("npm").args(arguments).current_dir(folder), NODE)
}

/// The oldest version of Node.js that componentize-qjs runs on.
const OLDEST: (u32, u32) = (18, 0);
const NODE: &str = "Node.js 18 or newer, with npm, from https://nodejs.org or your distribution";
