//! What a registry says of a component.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyport::fuzz::component_manifest(bytes));
