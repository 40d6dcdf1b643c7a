//! What a provider's author gets with a new project: the sources of the SDK and of the WIT package, as a table of the binary.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Writes `table`: the value of a slice of paths and contents, each as `vendor` in a project has it.
pub(crate) fn write(workspace: &Path, table: &Path) -> Result<(), Box<dyn Error>> {
    let mut rows = String::from("&[\n");
    let manifest = table.with_file_name("sdk.toml");
    fs::write(&manifest, standing_alone(workspace)?)?;
    row(&mut rows, "sdk/Cargo.toml", &manifest)?;

    for (folder, place) in [("sdk/src", "sdk/src"), ("wit", "wit")] {
        let folder = workspace.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        list(&folder, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&folder)?;
            row(&mut rows, &format!("{place}/{}", name.display()), &file)?;
        }
    }

    rows.push(']');
    Ok(fs::write(table, rows)?)
}

fn row(rows: &mut String, name: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(rows, "    ({name:?}, include_str!({:?})),", file.canonicalize()?.display().to_string())?)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }

    Ok(())
}

/// The SDK's manifest without what it takes over from the workspace.
fn standing_alone(workspace: &Path) -> Result<String, Box<dyn Error>> {
    let [own, shared] = ["sdk/Cargo.toml", "Cargo.toml"].map(|name| workspace.join(name));
    println!("cargo::rerun-if-changed={}", own.display());
    println!("cargo::rerun-if-changed={}", shared.display());
    let mut own: Table = fs::read_to_string(own)?.parse()?;
    let shared: Table = fs::read_to_string(shared)?.parse()?;
    let shared = shared.get("workspace").and_then(Value::as_table).ok_or("there is no [workspace]")?;

    for section in ["package", "dependencies"] {
        let from = if section == "package" { "package" } else { "dependencies" };
        let from = shared.get(from).and_then(Value::as_table).ok_or("the workspace shares too little")?;
        let into = own.get_mut(section).and_then(Value::as_table_mut).ok_or("the SDK has no such section")?;
        for (name, value) in into.iter_mut() {
            inherit(name, value, from)?;
        }
    }
    for section in ["dev-dependencies", "lints"] {
        own.remove(section);
    }
    Ok(own.to_string())
}

/// Puts the workspace's value in the place of `workspace = true`, and keeps what is written beside it.
fn inherit(name: &str, value: &mut Value, from: &Table) -> Result<(), Box<dyn Error>> {
    let Some(beside) = value.as_table().filter(|table| table.contains_key("workspace")) else {
        return Ok(());
    };
    let inherited = from.get(name).ok_or_else(|| format!("the workspace has no `{name}`"))?;
    let mut beside = beside.clone();
    beside.remove("workspace");
    if beside.is_empty() {
        *value = inherited.clone();
        return Ok(());
    }

    let mut table = inherited.as_table().cloned();
    let table = table.get_or_insert_with(|| Table::from_iter([("version".to_owned(), inherited.clone())]));
    table.extend(beside);
    *value = Value::Table(table.clone());
    Ok(())
}
