//! What Google says is a public half.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| keyport_backends::gcp::fuzz::public_key(body));
