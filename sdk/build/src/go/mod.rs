//! Providers in Go: what binds them to the WIT package, and their modules as components.
//!
//! Go compiles for WASI, preview 1. Nothing of that gets out of the component: a module of this crate answers what the Go
//! runtime asks for by the gateway's own `clock`, `log` and `random`.

use std::path::{Path, PathBuf};

use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::encode::{encoded, without_custom_sections};
use crate::error::Result;

/// The files of the package `bindings` in the Go module `module`, for the one world in the folder `wit`: their paths in
/// that package, and their texts.
///
/// What the component exports is called in the package `provider` of that module.
///
/// # Errors
///
/// [`Error::Encode`](crate::Error::Encode) where the WIT package is none.
pub fn go_bindings(wit: &Path, module: &str) -> Result<Vec<(PathBuf, String)>> {
    let (mut resolve, world) = parse(wit)?;
    let options = wit_bindgen_go::Opts {
        pkg_name: Some(format!("{module}/bindings")),
        export_pkg_name: Some(module.to_owned()),
        ..wit_bindgen_go::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).map_err(encoded)?;

    let named = |(path, text): (&str, &[u8])| {
        let text = String::from_utf8_lossy(text).replace(EXPORTS, "");
        (PathBuf::from(path), text)
    };
    Ok(files.iter().map(named).collect())
}

/// Wraps a module that Go compiled for `wasip1` as a component of the one world in the folder `wit`.
///
/// # Errors
///
/// [`Error::Encode`](crate::Error::Encode) where it is no such module.
pub fn go_component(mut module: Vec<u8>, wit: &Path) -> Result<Vec<u8>> {
    let (mut resolve, world) = parse(wit)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(encoded)?;

    let reached = resolve.push_str("runtime.wit", REACHED).map_err(encoded)?;
    let reached = resolve.select_world(&[reached], None).map_err(encoded)?;
    let mut runtime = RUNTIME.to_vec();
    embed_component_metadata(&mut runtime, &resolve, reached, StringEncoding::UTF8).map_err(encoded)?;

    let component = ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", &runtime))
        .and_then(|encoder| encoder.validate(true).encode());
    without_custom_sections(&component.map_err(encoded)?)
}

fn parse(wit: &Path) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).map_err(encoded)?;
    let world = resolve.select_world(&[package], None).map_err(encoded)?;

    Ok((resolve, world))
}

/// What a Go program has in the place of an operating system.
const RUNTIME: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.wasm"));

/// What that reaches in turn.
const REACHED: &str = "
package keyport:go-runtime;

world reached {
    import keyport:provider/clock@0.1.0;
    import keyport:provider/log@0.1.0;
    import keyport:provider/random@0.1.0;
}
";

/// What the generator puts before the name of an exported interface to name its package.
const EXPORTS: &str = "export_keyport_provider_";
