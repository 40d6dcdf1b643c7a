//! A package becomes a core module: cargo, with everything kept away from it that could change the result.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

/// A core module, and the local files it was built from.
pub(crate) struct Module {
    pub(crate) bytes: Vec<u8>,
    pub(crate) inputs: Vec<PathBuf>,
}

/// Compiles `package` of `workspace`.
pub(crate) fn module(workspace: &Path, package: &str) -> Result<Module> {
    let workspace = &fs::canonicalize(workspace).map_err(|source| read(workspace, source))?;
    let target = workspace.join("target").join("guests");

    cargo(workspace, &target, package)?;

    let module = target.join(TRIPLE).join(PROFILE).join(package.replace('-', "_")).with_extension("wasm");
    let list = module.with_extension("d");
    let list = fs::read_to_string(&list).map_err(|source| read(&list, source))?;

    Ok(Module {
        inputs: inputs(workspace, &list),
        bytes: fs::read(&module).map_err(|source| read(&module, source))?,
    })
}

fn cargo(workspace: &Path, target: &Path, package: &str) -> Result<()> {
    let flags = flags(workspace)?;
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());

    let mut command = Command::new(&program);
    command.current_dir(workspace);
    for (name, _) in env::vars_os().filter(|(name, _)| disturbs(name)) {
        command.env_remove(name);
    }
    let output = command
        .args(["build", "--locked", "--lib", "--profile", PROFILE, "--target", TRIPLE, "--package", package])
        .arg("--target-dir")
        .arg(target)
        // A configured build folder would be the outer cargo's too, which holds its lock.
        .env("CARGO_BUILD_BUILD_DIR", target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .map_err(|source| run(&program, source))?;

    if !output.status.success() {
        return Err(Error::Build {
            package: package.to_owned(),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }

    Ok(())
}

/// Whether an environment variable, set by an outer cargo, by clippy or by a person, would change the
/// component or stop it from being built.
fn disturbs(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };

    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The compiler's flags, as `CARGO_ENCODED_RUSTFLAGS` wants them.
fn flags(workspace: &Path) -> Result<OsString> {
    let rustc = Rustc::new(workspace)?;

    let mut flags = OsString::from("-Clink-arg=-zstack-size=");
    flags.push(STACK);
    // The last one that fits counts: cargo's home may be in the workspace.
    for (from, to) in [
        (workspace.as_os_str(), "/keyport"),
        (cargo_home().as_os_str(), "/cargo"),
        (rustc.sources.as_os_str(), &rustc.sources_as),
    ] {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }

    Ok(flags)
}

/// What the compiler says of itself.
struct Rustc {
    /// Where the standard library's sources would be, were they installed.
    sources: PathBuf,
    /// What they are called where they are not.
    sources_as: String,
}

impl Rustc {
    fn new(workspace: &Path) -> Result<Self> {
        let libraries = ask(workspace, &["--print", "target-libdir", "--target", TRIPLE])?;
        if !Path::new(libraries.trim_end()).is_dir() {
            return Err(Error::TargetMissing);
        }

        let sysroot = ask(workspace, &["--print", "sysroot"])?;
        let version = ask(workspace, &["--version", "--verbose"])?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");

        Ok(Self {
            sources: Path::new(sysroot.trim_end()).join("lib").join("rustlib").join("src").join("rust"),
            sources_as: format!("/rustc/{commit}"),
        })
    }
}

fn ask(workspace: &Path, question: &[&str]) -> Result<String> {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&program)
        .current_dir(workspace)
        .args(question)
        .output()
        .map_err(|source| run(&program, source))?;

    match String::from_utf8(output.stdout) {
        Ok(answer) if output.status.success() => Ok(answer),
        _ => Err(Error::Rustc {
            program: program.to_string_lossy().into_owned(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

/// Where cargo unpacks packages.
fn cargo_home() -> PathBuf {
    let home = || env::home_dir().unwrap_or_default().join(".cargo");
    let path = env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from);

    fs::canonicalize(&path).unwrap_or(path)
}

/// The files that a cargo dependency list names, and those that decide about the build beside them.
fn inputs(workspace: &Path, list: &str) -> Vec<PathBuf> {
    let listed = list.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, files)| names(files));
    let mut inputs: Vec<_> = listed.collect();

    let manifests: Vec<_> = inputs
        .iter()
        .filter_map(|file| {
            file.ancestors().map(|folder| folder.join("Cargo.toml")).find(|file| file.is_file())
        })
        .collect();
    inputs.extend(manifests);
    inputs.extend(["Cargo.lock", "Cargo.toml", "rust-toolchain.toml"].map(|file| workspace.join(file)));
    inputs.retain(|file| file.is_file());
    inputs.sort();
    inputs.dedup();

    inputs
}

/// File names with a space between them, and a backslash before a space that is part of one.
fn names(files: &str) -> Vec<PathBuf> {
    files.replace("\\ ", "\0").split_whitespace().map(|name| name.replace('\0', " ").into()).collect()
}

fn read(path: &Path, source: std::io::Error) -> Error {
    Error::Read { path: path.to_owned(), source }
}

fn run(program: &OsStr, source: std::io::Error) -> Error {
    Error::Run { program: program.to_string_lossy().into_owned(), source }
}

/// Bytes of a guest's stack. It lies below its data, so an overflow traps instead of overwriting something.
const STACK: &str = "131072";

const PROFILE: &str = "guest";

const TRIPLE: &str = "wasm32-unknown-unknown";

const NAMES: [&str; 7] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CLIPPY_ARGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "TARGET",
];

const PREFIXES: [&str; 7] = [
    "CARGO_BUILD_",
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_may_contain_spaces() {
        let files = names("/a\\ b/lib.rs /c.rs");

        assert_eq!(files, [PathBuf::from("/a b/lib.rs"), PathBuf::from("/c.rs")]);
    }

    #[test]
    fn an_outer_build_is_kept_away_and_the_network_settings_are_not() {
        for name in ["RUSTC_WORKSPACE_WRAPPER", "CARGO_ENCODED_RUSTFLAGS", "CARGO_PROFILE_RELEASE_DEBUG"] {
            assert!(disturbs(name.as_ref()), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_OFFLINE", "PATH", "RUSTUP_TOOLCHAIN"] {
            assert!(!disturbs(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn files_that_are_gone_are_no_inputs() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = workspace.join("src").join("lib.rs");
        let list = format!("/x.wasm: {} /gone/lib.rs\n", own.display());

        assert_eq!(inputs(workspace, &list), [workspace.join("Cargo.toml"), own]);
    }
}
