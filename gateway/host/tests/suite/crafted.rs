//! Provider components written by hand, for what no toolchain would write.

use std::path::Path;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

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
    core((text, world), "", "unreachable", parts)
}

/// A provider component whose `health` has this body, of a module with these imports and further parts.
pub(crate) fn with_health(imports: &str, health: &str, parts: &str) -> Vec<u8> {
    core((&wit("0.1.0"), "provider-world"), imports, health, parts)
}

/// The same, for a world of the package that a text defines.
pub(crate) fn core((text, world): (&str, &str), imports: &str, health: &str, parts: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("provider.wit", text).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let version = resolve.packages.get(package).unwrap().name.version.clone().unwrap();

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
        export("sign", &format!("{five} {five}"), "unreachable"),
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
