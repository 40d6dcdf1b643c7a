//! Where services are, as operators write it.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| keyport_backends::http::fuzz(text));
