//! Names of keys in a transit engine.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| keyport_backends::vault::fuzz::name(text));
