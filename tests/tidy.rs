//! What the compiler cannot see: the shape of the workspace, and how its files read.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends by panicking, and so do the functions it is made of"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let allowed = BTreeMap::from([
        (
            "keyport",
            &["keyport-backends", "keyport-core", "keyport-host", "keyport-sdk-build", "keyport-store"][..],
        ),
        ("keyport-backends", &["keyport-core"]),
        ("keyport-core", &[]),
        ("keyport-host", &["keyport-core"]),
        ("keyport-sdk", &[]),
        ("keyport-sdk-build", &[]),
        ("keyport-store", &["keyport-core"]),
    ]);
    // What the providers of key management services share is a library of theirs.
    let services = ["aws-kms", "azure-key-vault", "gcp-kms", "vault-transit"]
        .map(|name| format!("keyport-guest-{name}"));

    for (package, dependencies) in our_dependencies() {
        let allowed = match allowed.get(package.as_str()) {
            Some(allowed) => *allowed,
            None if services.contains(&package) => &["keyport-guest-cloud-kms", "keyport-sdk"],
            // Every other one is a provider, and provider authors have the SDK and nothing else of ours.
            None => &["keyport-sdk"],
        };
        for dependency in dependencies {
            assert!(allowed.contains(&dependency.as_str()), "{package} must not depend on {dependency}");
        }
    }
}

#[test]
fn heavy_dependencies_stay_behind_their_crate() {
    for (heavy, homes) in [
        ("wasmtime", &["keyport-host"][..]),
        ("wasmtime-wasi", &["keyport-host"]),
        ("sqlx", &["keyport-store"]),
        ("cryptoki", &["keyport-backends"]),
        ("openssl", &[]),
        ("hyper", &["keyport"]),
        ("reqwest", &["keyport-backends"]),
        ("rustls", &["keyport", "keyport-backends"]),
    ] {
        for (package, dependencies) in dependencies() {
            let is_home = homes.contains(&package.as_str());
            assert!(is_home || !dependencies.contains(heavy), "{package} must not depend on {heavy}");
        }
    }
}

#[test]
fn stand_ins_are_judged_by_their_vendors_clients_alone() {
    let packages = packages();
    let stand_ins = packages.iter().find(|package| name_of(package) == "keyport-stand-ins");

    for dependency in stand_ins.expect("the stand-ins")["dependencies"].as_array().expect("dependencies") {
        let name = name_of(dependency);
        assert!(!name.starts_with("keyport"), "a stand-in must know nothing of the gateway: {name}");
    }
}

#[test]
fn the_core_does_no_io() {
    let dependencies = dependencies().remove("keyport-core").expect("the core");

    for io in ["axum", "hyper", "reqwest", "serde_json", "sqlx", "tokio-rustls", "toml"] {
        assert!(!dependencies.contains(io), "the core must not depend on {io}");
    }
    for file in rust_files("gateway/core/src") {
        for io in ["std::fs", "std::net", "tokio::fs", "tokio::net", "tokio::spawn", "std::env"] {
            assert!(is_for_tests(&file) || !mentions(&file, io), "{} names {io}", file.display());
        }
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    for file in rust_files("gateway").iter().filter(|file| mentions(file, "env::var")) {
        let is_home = has(file, "environment.rs") || has(file, "build.rs") || is_for_tests(file);
        assert!(is_home, "{} reads the environment", file.display());
    }
}

#[test]
fn only_custody_calls_a_backend() {
    for file in rust_files("gateway/host") {
        for port in ["keyport_core::backend", "dyn Backend", "core::backend"] {
            assert!(!mentions(&file, port), "{} names a backend's port", file.display());
        }
    }
    for file in rust_files("gateway/core/src") {
        let is_home = ["custody", "backend.rs"].iter().any(|home| has(&file, home)) || is_for_tests(&file);
        assert!(is_home || !mentions(&file, "dyn Backend"), "{} names a backend's port", file.display());
    }
}

#[test]
fn trials_are_for_the_kit_alone() {
    for file in rust_files("gateway") {
        let is_home = ["kit", "trial.rs", "testing", "testing.rs"].iter().any(|home| has(&file, home));
        assert!(is_home || !mentions(&file, "trial::"), "{} opens operations of a trial", file.display());
    }
}

#[test]
fn custodians_are_tried_out_by_probes_alone() {
    for file in rust_files("gateway") {
        let is_home =
            ["custody", "probe.rs", "probing.rs", "test_key.rs"].iter().any(|home| has(&file, home));
        let is_opened = has(&file, "assemble") && has(&file, "tryout.rs");
        assert!(is_home || is_opened || !mentions(&file, "custody::tryout"), "{} tries keys", file.display());
    }
}

#[test]
fn only_assembly_names_concrete_parts() {
    for file in rust_files("gateway/server/src") {
        if has(&file, "assemble") || is_for_tests(&file) {
            continue;
        }
        for part in ["keyport_backends", "keyport_host", "keyport_store"] {
            assert!(!mentions(&file, part), "{} names {part}", file.display());
        }
    }
}

#[test]
fn contracts_know_nothing_of_each_other() {
    let contracts = root().join("gateway/server/src/contract");
    let names: Vec<_> = folder(&contracts).into_iter().filter(|path| path.join("mod.rs").is_file()).collect();

    for contract in &names {
        for other in names.iter().filter(|other| *other != contract) {
            let other = format!("{}::", text_of_name(other));
            for file in rust_files_in(contract) {
                assert!(!mentions(&file, &other), "{} names {other}", file.display());
            }
        }
    }
}

#[test]
fn nothing_is_left_to_be_done() {
    // In two pieces, so that this file has neither.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

    for file in text_files() {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for word in words {
            let said = text.split(|letter: char| !letter.is_alphanumeric()).any(|piece| piece == word);
            assert!(!said, "{} says {word}", file.display());
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for file in rust_files("") {
        let text = read(&file);
        let first = text.lines().next().unwrap_or_default();

        assert!(first.starts_with("//! "), "{} begins with: {first}", file.display());
    }
}

#[test]
fn files_are_short() {
    for file in rust_files("") {
        let lines = read(&file).lines().count();

        assert!(lines <= LONGEST, "{} has {lines} lines", file.display());
    }
}

#[test]
fn modules_are_named_after_what_they_are() {
    let empty = [
        "common", "data", "handler", "helper", "helpers", "info", "manager", "misc", "service", "util",
        "utils",
    ];

    for file in rust_files("") {
        let name = text_of_name(&file);
        assert!(!empty.contains(&name.as_str()), "{} says nothing by its name", file.display());

        // `mod.rs` in the folder is the one way here.
        let folder = file.with_extension("");
        assert!(!folder.is_dir(), "{} and the folder {} are one module", file.display(), folder.display());
    }
}

#[test]
fn every_item_of_the_wit_is_documented() {
    for file in folder(&root().join("wit")) {
        let text = read(&file);
        let lines: Vec<_> = text.lines().map(str::trim).collect();

        for (number, line) in lines.iter().enumerate() {
            if is_wit_item(line) {
                let is_documented = number > 0 && lines[number - 1].starts_with("///");
                assert!(is_documented, "{}:{}: no words on `{line}`", file.display(), number + 1);
            }
        }
    }
}

#[test]
fn unsafe_code_is_where_it_is_said_to_be() {
    let homes = [
        "sdk/src/arena.rs",
        "sdk/src/bindings.rs",
        "sdk/src/lib.rs",
        "gateway/backends/src/pkcs11/host/initialise.rs",
        "gateway/host/src/code.rs",
    ];

    for file in rust_files("") {
        let is_home = homes.iter().any(|home| file.starts_with(root().join(home)));
        let has_unsafe = ["unsafe {", "unsafe impl", "unsafe fn"].iter().any(|words| mentions(&file, words));
        assert!(is_home || !has_unsafe || has(&file, "tidy.rs"), "{} is unsafe", file.display());
    }
}

#[test]
fn each_line_of_the_hostile_table_is_shown_by_tests_that_there_are() {
    let tests: BTreeSet<String> = rust_files("").iter().flat_map(|file| tests_in(&read(file))).collect();
    let table = read(&root().join("tests/guests/README.md"));
    let lines: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();

    assert!(lines.len() > 40, "the table has {} lines", lines.len());
    for line in lines {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        let [_tried, _stopped, shown] = cells.as_slice() else { panic!("not three cells: {line}") };
        let named: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test shows: {line}");
        for name in named {
            assert!(tests.contains(name), "there is no test {name}");
        }
    }
}

/// Whether a line of WIT, without the white space around it, begins an item.
fn is_wit_item(line: &str) -> bool {
    let begins = |keyword: &&str| line.strip_prefix(*keyword).is_some_and(|rest| rest.starts_with(' '));
    let is_declaration =
        ["interface", "world", "record", "variant", "enum", "flags", "resource", "type"].iter().any(begins);

    is_declaration || line.contains(": func(") || line.contains(": async func(")
}

/// The names of the tests in a file: functions below an attribute that makes them one.
fn tests_in(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let name = |line: &str| {
        let (_, name) = line.split_once("fn ")?;
        Some(name.split('(').next()?.to_owned())
    };

    lines.windows(2).filter(|pair| is_test(pair[0])).filter_map(|pair| name(pair[1])).collect()
}

/// Every package of the product, with the names of those that it depends on in the product: not for its tests, not
/// for its build.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let packages = packages();
    let of_the_product = packages.iter().filter(|package| is_of_the_product(package));

    of_the_product.map(|package| (name_of(package), product_dependencies(package))).collect()
}

/// Every package of the workspace.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Whether a package is more than a test: what is in `tests` may see everything, but for the guests there.
fn is_of_the_product(package: &Value) -> bool {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));

    !has(manifest, "tests") || has(manifest, "guests")
}

fn product_dependencies(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().expect("dependencies");

    dependencies.iter().filter(|dependency| dependency["kind"].is_null()).map(name_of).collect()
}

fn our_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut dependencies = dependencies();
    let ours: BTreeSet<_> = dependencies.keys().cloned().collect();
    for of_one in dependencies.values_mut() {
        of_one.retain(|dependency| ours.contains(dependency));
    }
    dependencies
}

fn name_of(value: &Value) -> String {
    value["name"].as_str().expect("a name").to_owned()
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("..");

    root.canonicalize().expect("the workspace")
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    rust_files_in(&root().join(folder))
}

fn rust_files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(folder, &mut files);
    files.retain(|file| file.extension() == Some(OsStr::new("rs")));
    assert!(!files.is_empty(), "no Rust in {}", folder.display());
    files
}

fn text_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(&root(), &mut files);
    files.retain(|file| {
        file.extension().is_none_or(|extension| !BINARY.iter().any(|binary| extension == *binary))
    });
    files
}

/// Collects the files below `from`; not what is built, hidden or somebody's keys.
fn walk(from: &Path, files: &mut Vec<PathBuf>) {
    for path in folder(from) {
        let name = text_of_name(&path);
        if name.starts_with('.') || ["target", "keyport-data", "node_modules"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

fn folder(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Whether a part of the path below the workspace is just `name`.
fn has(file: &Path, name: &str) -> bool {
    file.strip_prefix(root()).unwrap_or(file).iter().any(|part| part == name)
}

/// Whether a file is compiled into tests alone, by its name.
fn is_for_tests(file: &Path) -> bool {
    ["testing", "testing.rs", "tests", "tests.rs"].iter().any(|name| has(file, name))
}

fn mentions(file: &Path, words: &str) -> bool {
    read(file).contains(words)
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A file's or folder's name, without its extension.
fn text_of_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Lines of a file; nothing is easily found in a longer one.
const LONGEST: usize = 700;

const BINARY: [&str; 5] = ["db", "ico", "png", "wasm", "webp"];
