//! Makes `$OUT_DIR/runtime.wasm` of its text.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let text = "src/go/runtime.wat";
    println!("cargo::rerun-if-changed={text}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);

    Ok(fs::write(out.join("runtime.wasm"), wat::parse_file(text)?)?)
}
