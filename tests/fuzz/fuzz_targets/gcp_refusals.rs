//! What Google answers instead.
#![no_main]

libfuzzer_sys::fuzz_target!(|answer: &[u8]| keyport_backends::gcp::fuzz::refused(answer));
