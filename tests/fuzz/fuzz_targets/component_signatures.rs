//! The file of signatures beside a component.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| keyport::fuzz::component_signatures(text));
