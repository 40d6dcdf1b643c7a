//! Provider components written by hand, for what no toolchain would write.

use std::path::Path;

use keyport_host::Source;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::support::source;

/// Memory with a descriptor at address 16: so many offers, of which the first is these bytes, each a key type and its
/// schemes.
pub(crate) fn descriptor(offers: u8, first: &str) -> String {
    format!(
        r#"(memory (export "memory") 1)
        (data (i32.const 16) "\40\00\00\00\{offers:02x}")
        (data (i32.const 64) "{first}")
        (data (i32.const 128) "\03")"#
    )
}

/// A provider component from the parts of a core module that it does not have yet. Its descriptor stands at address 0.
pub(crate) fn component(parts: &str) -> Vec<u8> {
    component_for("0.1.0", parts)
}

/// The same, for a version of the package that holds what the present one does.
pub(crate) fn component_for(version: &str, parts: &str) -> Vec<u8> {
    let text = wit(version);

    built(&text, "provider-world", parts)
}

/// The text of the package, as if it had this version.
pub(crate) fn wit(version: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()));
    let text: String =
        files.map(|text| text.unwrap().replace("package keyport:provider@0.1.0;", "")).collect();

    format!("package keyport:provider@{version};\n{text}")
}

/// The same, for a world of the package that `text` defines.
pub(crate) fn built(text: &str, world: &str, parts: &str) -> Vec<u8> {
    encoded(text, world, &Core { parts, ..Core::default() })
}

/// A provider component whose `health` has this body, of a module with these imports and further parts.
pub(crate) fn with_health(imports: &str, health: &str, parts: &str) -> Vec<u8> {
    encoded(&wit("0.1.0"), "provider-world", &Core { imports, health, parts, ..Core::default() })
}

/// What a provider's core module has of its own.
pub(crate) struct Core<'a> {
    /// What it imports.
    pub(crate) imports: &'a str,
    /// What it does to sign. It leaves the address of its answer.
    pub(crate) sign: &'a str,
    /// What it does to say how it is. It leaves the address of its answer.
    pub(crate) health: &'a str,
    /// Everything else.
    pub(crate) parts: &'a str,
}

impl Default for Core<'_> {
    fn default() -> Self {
        Self { imports: "", sign: "unreachable", health: "unreachable", parts: "" }
    }
}

/// A provider component of a core module, for a world of the package that `text` defines.
pub(crate) fn encoded(text: &str, world: &str, core: &Core<'_>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("provider.wit", text).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let version = resolve.packages.get(package).unwrap().name.version.clone().unwrap();

    let Core { imports, sign, health, parts } = core;
    let five = "i32 i32 i32 i32 i32";
    let export = |name: &str, params: &str, body: &str| {
        format!(
            r#"(func (export "keyport:provider/provider@{version}#{name}") (param {params}) (result i32) {body})"#
        )
    };
    let exports = [
        export("describe", "", "i32.const 0"),
        export("create-key", &format!("{five} {five}"), "unreachable"),
        export("public-key", five, "unreachable"),
        export("sign", &format!("{five} {five}"), sign),
        export("destroy-key", five, "unreachable"),
        export("health", "", health),
    ];
    let realloc = match parts.contains("cabi_realloc") {
        true => "",
        false => r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)"#,
    };
    let module = format!("(module {imports} {} {realloc} {parts})", exports.concat());
    let mut module = wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}\n{module}"));

    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    keyport_sdk_build::encode(&module).unwrap()
}

/// Adds core modules to a component that has one, and an instance of each.
pub(crate) fn with_modules(mut component: Vec<u8>, modules: &[&str]) -> Vec<u8> {
    for (module, index) in modules.iter().zip(1..) {
        add(&mut component, CORE_MODULE, &wat::parse_str(module).unwrap());
        add(&mut component, CORE_INSTANCE, &[1, 0, index, 0]);
    }
    component
}

/// Adds another component to a provider component, and an instance of it.
pub(crate) fn with_component(mut component: Vec<u8>, other: &str) -> Vec<u8> {
    add(&mut component, COMPONENT, &wat::parse_str(other).unwrap());
    // The first is the one around its export.
    add(&mut component, INSTANCE, &[1, 0, 1, 0]);
    component
}

/// Adds a section: its id, its length in LEB128, its content.
fn add(component: &mut Vec<u8>, section: u8, content: &[u8]) {
    component.push(section);
    let mut length = content.len();
    while length > 0x7f {
        component.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length).unwrap());
    component.extend_from_slice(content);
}

const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;
const COMPONENT: u8 = 4;
const INSTANCE: u8 = 5;

/// A component in text.
pub(crate) fn wat(name: &str, component: &str) -> Source {
    source(name, wat::parse_str(component).unwrap_or_else(|error| panic!("{component}: {error}")))
}
