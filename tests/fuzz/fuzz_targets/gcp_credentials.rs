//! Files of credentials, as Google's tools write them.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| keyport_backends::gcp::fuzz::credentials(text));
