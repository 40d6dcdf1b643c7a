//! `keyport provider inspect`: what a component is, what it can reach, and the configuration that would serve it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use keyport_core::grant::{ConnectionKind, Use};
use keyport_core::provider::Loaded;

use crate::assemble::inspect::{Import, Inspection, Limits, Need, inspect};
use crate::command::print::{BAD, FAINT, GOOD, Painted};
use crate::command::{block_on, print};

/// Say what a component is, what it could reach, and how to configure it
#[derive(Args, Debug)]
pub(in crate::command) struct Inspect {
    /// The component
    file: PathBuf,
}

impl Inspect {
    pub(super) fn run(self) -> Result<ExitCode> {
        let inspection = block_on(inspect(&self.file))?;
        lines(&inspection, &self.file).iter().for_each(print::line);

        Ok(if inspection.loaded.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn lines(inspection: &Inspection, file: &Path) -> Vec<String> {
    let Inspection { digest, size, imports, exports, loaded, .. } = inspection;
    let mut lines = vec![format!("component  {digest}"), format!("size       {size} bytes")];
    lines.extend(imports.iter().map(import_line));
    lines.extend(exports.iter().map(|export| format!("exports    {export}")));

    lines.push(String::new());
    match loaded {
        Ok(loaded) => {
            lines.extend(description(loaded));
            lines.push(String::new());
            lines.extend(configuration(inspection, loaded, file));
        }
        Err(refusal) => lines.push(format!("{} it {refusal}", Painted(BAD, "refused:"))),
    }
    lines
}

fn import_line(Import { name, is_known, needs }: &Import) -> String {
    let what = match (is_known, needs) {
        (false, _) => Painted(BAD, "which this gateway does not have".to_owned()),
        (true, None) => Painted(FAINT, "which everybody has".to_owned()),
        (true, Some(Need::Connection(kind))) => {
            Painted(GOOD, format!("which needs a grant on a connection of kind \"{}\"", kind.as_str()))
        }
        (true, Some(Need::Wasi)) => Painted(GOOD, format!("which needs {WASI}")),
    };

    format!("imports    {name}, {what}")
}

fn description(loaded: &Loaded) -> Vec<String> {
    let descriptor = &loaded.descriptor;
    let mut lines = vec![format!("name       {} {}", descriptor.name, descriptor.version)];
    for (key_type, schemes) in &descriptor.offers {
        let schemes = schemes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        lines.push(format!("offers     {:<13} {schemes}", key_type.as_str()));
    }
    lines.push(format!("messages   up to {} bytes", descriptor.max_message));
    lines.extend(descriptor.properties.iter().map(|(name, value)| format!("property   {name} = {value}")));
    if loaded.imports {
        lines.push("import     takes over keys that were made elsewhere".to_owned());
    }

    lines
}

/// What would serve it, with a grant for each kind of connection that it needs.
fn configuration(inspection: &Inspection, loaded: &Loaded, file: &Path) -> Vec<String> {
    let digest = loaded.component.as_str();
    let mut lines = vec![
        "[[provider]]".to_owned(),
        format!("name = {:?}", loaded.descriptor.name),
        format!("component = {:?}", format!("file:{}", file.display())),
        format!("sha256 = {:?}", digest.strip_prefix("sha256:").unwrap_or(digest)),
    ];
    if inspection.imports.iter().any(|import| import.needs == Some(Need::Wasi)) {
        lines.push(WASI.to_owned());
    }
    // So that it can have twice what it has had so far.
    if inspection.memory > Limits::default().memory / 2 {
        let size = inspection.memory.saturating_mul(2).next_power_of_two() >> 20;
        lines.extend([String::new(), "[provider.limits]".to_owned(), format!("memory = \"{size}MiB\"")]);
    }

    let kinds: BTreeSet<_> = loaded.grants.iter().map(|grant| grant.kind).collect();
    for kind in kinds {
        let wanted = Use::ALL.into_iter().filter(|one| *one != Use::Import || loaded.imports);
        let uses = wanted.map(|one| format!("{:?}", one.as_str())).collect::<Vec<_>>().join(", ");
        lines.extend([
            String::new(),
            "[[provider.grant]]".to_owned(),
            format!("connection = \"…\"   # one of kind \"{}\"", kind.as_str()),
        ]);
        match kind {
            ConnectionKind::Http => lines.extend(REQUEST.map(str::to_owned)),
            ConnectionKind::Aws
            | ConnectionKind::Azure
            | ConnectionKind::Derived
            | ConnectionKind::Gcp
            | ConnectionKind::Pkcs11
            | ConnectionKind::Soft
            | ConnectionKind::Vault => {
                lines.push(format!("uses = [{uses}]"));
            }
        }
    }
    lines
}

/// What gives a provider WASI.
const WASI: &str = "wasi = true";

/// One request of a grant; which there are, only the component's author can say.
const REQUEST: [&str; 5] = [
    "",
    "[[provider.grant.request]]   # one for each request that it sends, as its author says",
    "during = \"sign\"",
    "method = \"POST\"",
    "path = \"/keys/{key}/sign\"",
];
