//! What the configuration of an example has to show.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of an example.
pub(crate) fn file(example: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example).join(name)
}

/// That an example shows every setting which the golden mistakes of this name say is known, and these.
pub(crate) fn shows_every_setting(example: &str, golden: &str, more: &[&str]) {
    let text = fs::read_to_string(file(example, "keyport.toml")).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/config").join(golden);
    let golden = fs::read_to_string(golden).unwrap();
    let known: Vec<_> = golden.lines().zip(golden.lines().skip(1)).filter_map(settings).flatten().collect();
    assert!(known.contains(&"replicas"), "the golden file does not tell: {golden}");

    for setting in known.iter().chain(more) {
        let is_shown = text.lines().map(|line| line.trim_start_matches('#')).any(|line| {
            let is_field = line.split_once('=').is_some_and(|(name, _)| name.trim() == *setting);
            is_field || line == format!("[connection.{setting}]")
        });
        assert!(is_shown, "`{setting}` is not in examples/{example}/keyport.toml");
    }
}

/// The settings that are known where one was not.
fn settings<'a>((mistake, known): (&str, &'a str)) -> Option<impl Iterator<Item = &'a str>> {
    let (_, known) = known.split_once("known here: ")?;

    mistake.contains("unknown field").then(|| known.split(", "))
}
